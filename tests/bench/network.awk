# After ratios.awk: samples of `measure-network` to a table of medians. Exits 1 when one is over its "at most" or under its
# "at least".

function fails(what, shown, limit) { missed = missed "\nsoute misses its limit: " what ", " shown " with " limit }

# More is better.
function stream(what, ours, theirs, least, text,    a, b, judged) {
    a = median(ours); b = median(theirs)
    judged = a / b >= least ? "met" : "MISSED"
    if (judged == "MISSED") fails(what, sprintf("%.2f", a / b), text " at least")
    line(what, sprintf("%.0f M", a), sprintf("%.0f M", b), sprintf("%.2f", a / b), ">= " text, "", judged)
}

# Without a limit.
function beside(what, ours, theirs,    a, b) {
    a = median(ours); b = median(theirs)
    line(what, sprintf("%.1f ms", a / 1000), sprintf("%.1f ms", b / 1000), ratio(a / b), "", "", "")
}

END {
    printf "\n%s; medians of %d links and %d streams of 2 s\n\n", about, count["attach"], count["containers"]
    line("", "soute", "peer", "ratio", "limit", "", "")
    alone = (median("attach") + median("announce")) / 1000
    judged = judge(alone, 1.5, 0)
    if (judged == "MISSED") fails("attach", alone " ms", "1.5 ms at most")
    line("veth, two addresses and a route; of it until it is announced", sprintf("%.2f ms", alone), "", "", "1.5 ms", "", judged)
    against("the same on a host with udevd; podman's netavark", "attach-host", "netavark", 1 / 5, 0, "1/5", "")
    beside("as a process of its own, which no start has; netavark", "attach-process", "netavark")
    beside("the same; netavark without packet rules (NETAVARK_FW=none)", "attach-process", "netavark-bare")
    against("100 at once; the fewest messages by hand", "parallel-ours", "parallel-raw", 1.2, 0, "1.20", "")
    stream("iperf3 from container to container; a veth pair by hand", "containers", "hand", 0.95, "0.95")
    stream("iperf3 into a published port; to the container itself", "proxy", "direct", 0.5, "0.50")
    if (missed) print missed
    exit missed != ""
}
