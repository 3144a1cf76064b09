//! What is typed wrongly, and what was meant.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Result};

/// The parser's message with its suggestions and without its usage text, on one line.
pub(super) fn one_line(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n");
    let message = words(parts.next().unwrap_or_default());
    let tips = parts.flat_map(str::lines).filter_map(|line| line.trim_start().strip_prefix("tip: "));
    // How to give a value that begins with a dash is of no use to who mistyped an option.
    let mut tips: Vec<String> = tips.filter(|tip| !tip.contains("as a value")).map(words).collect();
    tips.extend(endpoint_without_option(&message));
    let line =
        std::iter::once(message.strip_prefix("error: ").unwrap_or(&message)).chain(tips.iter().map(String::as_str));
    Error::CommandLine(line.collect::<Vec<_>>().join("; "))
}

/// `record tcp://device:5555`, as it is typed for other programs.
fn endpoint_without_option(message: &str) -> Option<String> {
    let word = message.strip_prefix("error: unexpected argument '")?.split('\'').next()?;
    word.contains("://").then(|| format!("an endpoint follows an option: --connect {word}, or --bind {word}"))
}

/// `--loop 3` replays session 3 for ever, which nobody means who types it so.
pub(super) fn refuse_loop_with_a_space() -> Result<()> {
    let typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is_number = |word: &OsString| !word.is_empty() && word.as_bytes().iter().all(u8::is_ascii_digit);
    let number = typed.windows(2).find_map(|pair| match pair {
        [option, next] if option == "--loop" && is_number(next) => Some(next),
        _ => None,
    });
    match number.filter(|_| typed.iter().any(|word| word == "replay")) {
        None => Ok(()),
        Some(number) => {
            let number = number.display();
            let cause = format!(
                "the number of passes follows behind a `=`: --loop={number}; to replay session {number} again and again: \
                 fancyhwd replay {number} --loop"
            );
            Err(Error::Setting { option: "--loop", value: number.to_string(), cause })
        }
    }
}
