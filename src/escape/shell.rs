//! Words of a command line, as a shell takes them.

use super::must_escape;

/// An option and its value as a shell and the command line take them: one that begins with a dash is no option.
pub fn option(name: &str, value: &str) -> String {
    let is_like_option = value.starts_with('-');
    format!("{name}{}{}", if is_like_option { '=' } else { ' ' }, quoted(value))
}

/// A word as a shell takes it. Where something in it is not shown as it is, that is a shell such as bash, which knows `$'\x1b'`.
pub fn quoted(word: &str) -> String {
    if word.contains(must_escape) {
        let quoted = |char: char| match char {
            '\\' | '\'' => format!("\\{char}"),
            _ if must_escape(char) => {
                char.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\x{byte:02x}")).collect()
            }
            _ => char.to_string(),
        };
        return format!("$'{}'", word.chars().map(quoted).collect::<String>());
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,=+@%".contains(&byte);
    // A word that begins with = is a command to zsh.
    match !word.is_empty() && word.bytes().all(is_plain) && !word.starts_with('=') {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(quoted("tcp://127.0.0.1:5555"), "tcp://127.0.0.1:5555");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's*"), "'it'\\''s*'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's\n\\a\u{9b}"), "$'it\\'s\\x0a\\\\a\\xc2\\x9b'");
        assert_eq!(quoted("=json"), "'=json'");
        assert_eq!(option("--topic", "-x"), "--topic=-x");
        assert_eq!(option("--layout", "--y z=json"), "--layout='--y z=json'");
        assert_eq!(option("--topic", "x"), "--topic x");
    }
}
