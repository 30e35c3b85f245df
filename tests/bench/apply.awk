# After ratios.awk: samples of `apply` to a table of medians. Exits 1 when the ratio is over its "at most"; a time alone says
# as much of the machine as of soute, and is only shown.

function alone(what, name, most,    time) {
    time = median(name) / 1000
    line(what, sprintf("%.1f ms", time), "", "", most ? most " ms" : "", "", most ? judge(time, most, 0) : "")
}

END {
    printf "\nDebian's %s: systemd %s, %s without what its runtime does; medians of %d\n\n", release, systemd, about, count["apply"]
    line("", "soute", "peer", "ratio", "at most", "aim", "")
    against("one limit of 100 containers; podman update in a loop", "apply", "update", 1 / 10, 0, "1/10", "")
    alone("one limit of 100 containers", "apply", 300)
    alone("diff of 1000 containers, nothing changed", "diff", 100)
    alone("verify of the same", "verify", 0)
    line("100 checks each 10 s: CPU seconds a minute", sprintf("%.2f s", (median("checked") - median("unchecked")) / 1000000), "", "", "", "", "")
    if (missed) print missed
    exit missed != ""
}
