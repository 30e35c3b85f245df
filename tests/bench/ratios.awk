# Samples, one a line: a name and a number, microseconds or KiB. What tables of their medians are made of.

$1 == "#" { about = substr($0, 3); next }
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
