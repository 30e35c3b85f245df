//! Bytes into lines, in bounded memory.

use crate::error::Result;

/// As journald's LineMax=: a longer line becomes several.
const LONGEST: usize = 48 * 1024;

/// Holds the beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Hands every line that `bytes` completes to `line`, without its end.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let mut rest = text;
            while self.begun.len() + rest.len() > LONGEST {
                let (fits, more) = rest.split_at(LONGEST - self.begun.len());
                self.begun.extend_from_slice(fits);
                rest = more;
                self.hand_over(&mut line)?;
            }
            self.begun.extend_from_slice(rest);
            if ends {
                self.hand_over(&mut line)?;
            }
        }
        Ok(())
    }

    /// Hands over a last line without an end.
    pub fn finish(mut self, mut line: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.hand_over(&mut line)
    }

    fn hand_over(&mut self, line: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let result = line(&self.begun);
        self.begun.clear();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut all, mut lines) = (Vec::new(), Lines::default());
        for chunk in chunks {
            lines
                .push(chunk, |line| {
                    all.push(line.to_vec());
                    Ok(())
                })
                .unwrap();
        }
        lines
            .finish(|line| {
                all.push(line.to_vec());
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn chunks_do_not_matter() {
        let whole = lines(&[b"one\ntwo\n\xff\0three"]);
        assert_eq!(whole, [&b"one"[..], b"two", b"\xff\0three"]);
        assert_eq!(lines(&[b"on", b"e\ntw", b"o", b"\n\xff\0", b"three"]), whole);
    }

    #[test]
    fn a_line_without_end_is_cut_and_nothing_is_lost() {
        let flood = vec![b'x'; 3 * LONGEST + 5];
        let cut = lines(&[&flood[..70_000], &flood[70_000..]]);
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [LONGEST, LONGEST, LONGEST, 5]);
    }
}
