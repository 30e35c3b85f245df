# After ratios.awk: samples of `images` to a table of medians. Exits 1 when a ratio is over its "at most"; a time alone says
# as much of the machine as of soute, and is only shown.

END {
    printf "\na tree of %s, and a raw file of 1 GiB; medians of %d\n\n", about, count["xfs-tree-ours"]
    line("", "soute", "peer", "ratio", "at most", "", "")
    against("raw file, XFS; cp --reflink=always", "xfs-raw-ours", "xfs-raw-theirs", 1.1, 0, "1.10", "")
    against("raw file, btrfs; cp --reflink=always", "btrfs-raw-ours", "btrfs-raw-theirs", 1.1, 0, "1.10", "")
    against("tree, XFS; cp -a --reflink=always", "xfs-tree-ours", "xfs-tree-theirs", 0.8, 0, "0.80", "")
    against("tree, btrfs; btrfs subvolume snapshot", "btrfs-tree-ours", "btrfs-tree-theirs", 1.2, 0, "1.20", "")
    against("tree, ext4; cp -a", "ext4-tree-ours", "ext4-tree-theirs", 0.8, 0, "0.80", "")
    for (i = split("xfs btrfs", systems); i > 0; i--) {
        alone = median(systems[i] "-raw-alone") / 1000
        line("raw file, " systems[i] ", without the process", sprintf("%.2f ms", alone), "", "", "1 ms", "", judge(alone, 1, 0))
    }
    against("import of an OCI archive, ext4; podman load and image mount", "import-ours", "import-theirs", 1, 0, "1.00", "")
    for (i = split("ours theirs", who); i > 0; i--) peak[who[i]] = median("import-" who[i] "-peak") / 1024
    judged = judge(peak["ours"], 64, 0)
    line("  peak memory", sprintf("%.0f MiB", peak["ours"]), sprintf("%.0f MiB", peak["theirs"]), "", "64 MiB", "", judged)
    if (judged == "MISSED") missed = missed "\nsoute is over its limit: peak memory of an import"
    if (missed) print missed
    exit missed != ""
}
