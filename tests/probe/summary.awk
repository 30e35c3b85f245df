# A report of the probe as the rows of the comparison in soute-security(7): what is compared, a tab, what was found.

{ key = $1; sub(/^[^ ]+ ?/, ""); value[key] = $0 }
key ~ /^call\./ && $0 !~ /^skipped/ { calls++; if ($0 == "EPERM" || $0 == "ENOSYS") refused++ }
key ~ /^device\./ && $0 ~ /^(character|block)/ { devices++ }
key ~ /^socket\.[0-9]/ && $0 == "done" && key !~ /\.(01|02|10|16)$/ { families++ }
key ~ /^namespace\.[a-z]+$/ && key != "namespace.user" && $0 == "host" { shared = shared (shared ? ", " : "") substr(key, 11) }
# What any of them masks, and what tells where the kernel or its memory lies.
key ~ /^read\.\/proc\/(interrupts|kallsyms|kcore|keys|latency_stats|sched_debug|scsi|timer_list|timer_stats|kmsg|kpagecount|slabinfo|vmallocinfo|acpi)$/ ||
key ~ /^read\.\/sys\/(firmware|dev\/block|devices\/virtual\/powercap)$/ {
    # EAGAIN is a log that has nothing new and would be read.
    if ($0 == "data" || $0 == "EAGAIN") { sub(/^read\./, "", key); unmasked++ }
}

function bits(hexadecimal,    count, index_, digit) {
    for (index_ = 1; index_ <= length(hexadecimal); index_++) {
        digit = index("0123456789abcdef", substr(hexadecimal, index_, 1)) - 1
        count += int(digit / 8) % 2 + int(digit / 4) % 2 + int(digit / 2) % 2 + digit % 2
    }
    return count + 0
}
function row(what, found) { print what "\t" found }
function open_to(key) { return value[key] == "done" || value[key] == "ENOTTY" ? "possible" : "refused" }
function either(first, second) { return open_to(first) == "possible" || open_to(second) == "possible" ? "possible" : "refused" }
function flags(mount,    part) { split(value["mount." mount], part, " "); return "," part[2] "," }

# What making a node of a disk gives: where it can be made, opening it is another matter.
function disk(    found) {
    found = value["mknod.sda"] " " value["mknod.vda"]
    return found ~ /opens/ ? "opens" : found ~ /made/ ? "dead" : "refused"
}

END {
    split(value["uid_map"], map, " ")
    row("user namespace", value["namespace.user"] == "own" && map[3] <= 65536 ? "own" : "host's")
    row("host's namespaces", shared ? shared : "none")
    row("capabilities of root", bits(value["status.CapBnd"]))
    row("inheritable ones", bits(value["status.CapInh"]))
    row("no-new-privileges", value["status.NoNewPrivs"] == 1 ? "on" : "off")
    row("seccomp filter", value["status.Seccomp"] == 2 ? "yes" : "no")
    row("user namespaces inside", either("unshare.user", "clone.user"))
    row("by clone3", open_to("clone3.user"))
    row("by 32-bit calls", either("call-32-bit.unshare.user", "call-32-bit.clone.user"))
    row("mount", either("mount-new.tmpfs", "fsopen"))
    row("mount of cgroup v1", either("cgroup.mount-1.memory", "cgroup.mount-1.rdma"))
    row("keyrings", either("kernel.add_key", "kernel.keyctl.join"))
    row("io_uring", open_to("kernel.io_uring_setup"))
    row("userfaultfd", either("kernel.userfaultfd", "kernel.userfaultfd.user-mode"))
    row("perf_event_open", open_to("kernel.perf_event_open"))
    row("personality", open_to("kernel.personality.no-randomisation"))
    row("typing into terminals", either("ioctl.TIOCSTI", "ioctl.TIOCSTI.high-bits"))
    row("unusual socket families", families + 0)
    row("raw and packet sockets", either("socket.raw.inet", "socket.raw.packet"))
    row("kernel log", value["kernel.syslog.size"] == "done" || value["read./proc/kmsg"] ~ /data|EAGAIN/ ? "readable" : "refused")
    row("telling kernel files", unmasked + 0)
    row("writable sysctls", value["sysctl.writable.others"])
    row("/sys", flags("/sys") ~ /,ro,/ ? "read-only" : "writable")
    row("cgroup tree", open_to("cgroup.make") == "possible" ? "writable" : "read-only")
    row("device nodes", devices + 0)
    row("a disk's node", disk())
    row("nodes on the root", flags("/") ~ /,nodev,/ ? "dead" : "by cgroup")
    row("real-time scheduling", open_to("kernel.realtime"))
    row("core dumps", value["limit.Max-core-file-size"] ~ /^0 0/ ? "off" : value["limit.Max-core-file-size"] ~ /^0/ ? "soft off" : "on")
    row("calls refused of " calls, refused + 0)
}
