# After ratios.awk: samples of `measure` to a table of medians. Exits 1 when a ratio, or what stays in memory, is over its
# "at most"; a time alone says as much of the machine as of soute, and is only shown.

function stays(what, name, most,    kib, judged) {
    kib = median(name); judged = kib <= most ? "met" : "MISSED"
    if (judged == "MISSED") missed = missed "\nsoute is over its limit: " what ", " kib " KiB"
    line(what, kib " KiB", "", "", most " KiB", "", judged)
}

END {
    printf "\nDebian's %s: systemd %s, %s; medians of %d\n\n", release, systemd, about, count["run-soute"]
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
