//! Environment files in systemd's syntax (EnvironmentFile= of systemd.exec(5)): KEY=value lines, quotes, comments with "#"
//! or ";", lines continued with a backslash. Nothing is expanded.

/// The assignments of a file in their order; what is no assignment is left out, as systemd does.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (assignment, after) = next(rest);
        found.extend(assignment);
        rest = after;
    }
    found
}

/// One logical line: its assignment, and what follows it.
fn next(text: &str) -> (Option<(String, String)>, &str) {
    let text = text.trim_start_matches(char::is_whitespace);
    if text.starts_with(['#', ';']) {
        return (None, after_line(text));
    }
    let end = text.find(['=', '\n']).unwrap_or(text.len());
    let key = text[..end].trim_end();
    if !text[end..].starts_with('=') || !is_name(key) {
        return (None, after_line(text));
    }
    let (value, rest) = value(&text[end + 1..]);
    (Some((key.to_owned(), value)), rest)
}

fn value(text: &str) -> (String, &str) {
    let mut value = String::new();
    // Blanks at the end go, but not those in quotes or behind a backslash.
    let mut kept = 0;
    let mut quote = None;
    let mut characters = text.trim_start_matches([' ', '\t']).char_indices();
    let text = characters.as_str();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (None, '\n') => {
                value.truncate(kept);
                return (value, &text[at + 1..]);
            }
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (Some('\''), other) => value.push(other),
            (_, '\\') => match characters.next() {
                // A continued line.
                Some((_, '\n')) | None => {}
                Some((_, escaped)) => {
                    if quote.is_some() && !matches!(escaped, '"' | '\\' | '`' | '$') {
                        value.push('\\');
                    }
                    value.push(escaped);
                }
            },
            (_, other) => value.push(other),
        }
        if quote.is_some() || !character.is_whitespace() {
            kept = value.len();
        }
    }
    value.truncate(kept);
    (value, "")
}

fn after_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end + 1..])
}

fn is_name(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !key.is_empty() && key.chars().all(plain) && !key.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(text)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn systemds_syntax() {
        let text =
            "# c\n; c\nA=plain text  \n B = spaced\nC=\"two words\" \nD='$HOME \\n'\nE=\nbad line\n1F=x\nG=a\\\nb\n";
        let expected =
            [("A", "plain text"), ("B", "spaced"), ("C", "two words"), ("D", "$HOME \\n"), ("E", ""), ("G", "ab")];
        assert_eq!(parsed(text), pairs(&expected));
    }

    #[test]
    fn quotes_hold_lines_and_backslashes() {
        assert_eq!(
            parsed("A=\"one\ntwo\"\nB=\"q\\\"q\\x\"\nC=x\\ \n"),
            pairs(&[("A", "one\ntwo"), ("B", "q\"q\\x"), ("C", "x ")])
        );
    }

    #[test]
    fn an_open_quote_ends_with_the_file() {
        assert_eq!(parsed("A=\"x\nB=y"), pairs(&[("A", "x\nB=y")]));
    }
}
