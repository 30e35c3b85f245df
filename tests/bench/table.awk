# Samples of `measure` to a table of medians. Exits 1 when a ratio, or what stays in memory, is over its "at most"; a time
# alone says as much of the machine as of soute, and is only shown.

$1 == "#" { podman = substr($0, 3); next }
{ count[$1]++; sample[$1, count[$1]] = $2 }

function median(name,    n, i, j, moved) {
    n = count[name]
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && sample[name, j] < sample[name, j - 1]; j--) {
            moved = sample[name, j]; sample[name, j] = sample[name, j - 1]; sample[name, j - 1] = moved
        }
    return n % 2 ? sample[name, (n + 1) / 2] : (sample[name, n / 2] + sample[name, n / 2 + 1]) / 2
}

# 0.126 reads 1/7.9, and 1.26 as it is.
function ratio(number) { return number < 0.995 ? sprintf("1/%.1f", 1 / number) : sprintf("%.2f", number) }

function judge(value, most, aim) { return value <= aim ? "met, and the aim" : value <= most ? "met" : "MISSED" }

function line(what, ours, theirs, shown, most, aim, judged) {
    printf "%-62s %9s %9s %8s %8s %6s  %s\n", what, ours, theirs, shown, most, aim, judged
}

function against(what, ours, theirs, most, aim, most_text, aim_text,    a, b, judged) {
    a = median(ours); b = median(theirs); judged = judge(a / b, most, aim)
    if (judged == "MISSED") missed = missed "\nsoute is over its limit: " what ", " ratio(a / b) " with " most_text " at most"
    line(what, sprintf("%.1f ms", a / 1000), sprintf("%.1f ms", b / 1000), ratio(a / b), most_text, aim_text, judged)
}

function stays(what, name, most,    kib, judged) {
    kib = median(name); judged = kib <= most ? "met" : "MISSED"
    if (judged == "MISSED") missed = missed "\nsoute is over its limit: " what ", " kib " KiB"
    line(what, kib " KiB", "", "", most " KiB", "", judged)
}

END {
    printf "\nDebian's %s: systemd %s, %s; medians of %d\n\n", release, systemd, podman, count["run-soute"]
    line("", "soute", "peer", "ratio", "at most", "aim", "")
    run = "`soute run` of true, fresh copy, bridged; "
    against(run "systemd-run", "run-soute", "run-systemd", 2, 1, "2.0", "1.0")
    against(run "systemd-nspawn", "run-soute", "run-nspawn", 1 / 4, 1 / 8, "1/4", "1/8")
    against(run "podman", "run-soute", "run-podman", 1 / 10, 1 / 25, "1/10", "1/25")
    first = median("first-instruction") / 1000
    line("StartTransientUnit to the payload's first instruction", sprintf("%.1f ms", first), "", "", "10 ms", "4 ms", judge(first, 10, 4))
    if (count["generate-quadlet"])
        against("generator, 1000 definitions; quadlet", "generate-soute", "generate-quadlet", 1 / 2, 1 / 8, "1/2", "1/8")
    stays("resident beside a payload (conmon " median("resident-conmon") " KiB, nspawn " median("resident-nspawn") " KiB)", "resident-soute", 0)
    stays("resident with init = \"reaper\"", "resident-reaper", 200)
    if (missed) print missed
    exit missed != ""
}
