//! Numbers of bytes for people, as systemctl shows them.

/// "700B", "1.5M", "12G": one decimal below ten, so that it is never wider than five characters below 1024T.
pub fn bytes(bytes: u64) -> String {
    let mut unit = "B";
    let mut amount = bytes as f64;
    for larger in ["K", "M", "G", "T"] {
        // 1023.9K would be rounded to 1024K.
        if amount < 1023.5 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes}B"),
        _ if amount < 9.95 => format!("{amount:.1}{unit}"),
        _ => format!("{amount:.0}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn short_and_never_off_by_a_unit() {
        let shown = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (10 * 1024, "10K"),
            (1024 * 1024 - 1, "1.0M"),
            (1536 * 1024, "1.5M"),
            (5 << 30, "5.0G"),
            (3 << 50, "3072T"),
        ];
        for (number, text) in shown {
            assert_eq!(bytes(number), text);
        }
    }
}
