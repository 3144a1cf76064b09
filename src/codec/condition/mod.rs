//! Which messages somebody looks for: what CONDITION means on the command line.
//!
//! ```text
//! condition  = any | [ TOPIC "." ] "gap" ">" DURATION | [ TOPIC "." ] "text" "~" REGEX
//! any        = all *( "or" all )
//! all        = one *( "and" one )
//! one        = "(" any ")" | [ TOPIC "." ] CHANNEL operator NUMBER
//! operator   = ">" | ">=" | "<" | "<=" | "==" | "!="
//! ```
//!
//! A record of a message holds it or not; the numbers of a header belong to each record of their message. Physical values are
//! compared. NaN is neither less, equal, greater nor unequal. `"..."` quotes a topic or channel; the last dot outside ends the topic.

mod bound;
mod parse;
mod plan;
#[cfg(test)]
mod properties;
mod set;
#[cfg(test)]
mod tests;

use std::fmt;

use regex::Regex;

use crate::codec::number::Value;
use crate::time::durations::exact;

pub use bound::{Bound, Measured, Why};
pub use parse::NoCondition;

/// The longest text of a condition, in bytes.
pub const CONDITION_MAX_BYTES: usize = 4096;

/// What is looked for in the messages of one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The topic of the stream as it is printed; `None` if none was named.
    topic: Option<String>,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    /// A record in which these numbers are.
    Record(Expression),
    /// A message that came later than so many nanoseconds after the one before it.
    Gap(i64),
    /// A message with such a text.
    Text(Pattern),
}

/// Comparisons, joined.
#[derive(Clone, Debug, PartialEq)]
enum Expression {
    One(Comparison),
    /// At least two, each of them.
    All(Vec<Expression>),
    /// At least two, one of them.
    Any(Vec<Expression>),
}

#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    channel: String,
    operator: Operator,
    number: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// A regular expression.
#[derive(Clone, Debug)]
struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Condition {
    /// Whether it names its topic.
    pub fn has_topic(&self) -> bool {
        self.topic.is_some()
    }
}

impl Expression {
    /// Take all comparisons, from left to right.
    fn each<'a>(&'a self, take: &mut impl FnMut(&'a Comparison)) {
        match self {
            Self::One(comparison) => take(comparison),
            Self::All(inside) | Self::Any(inside) => inside.iter().for_each(|one| one.each(take)),
        }
    }
}

impl Operator {
    /// All of them, those first that begin like another one.
    const ALL: [Self; 6] =
        [Self::GreaterOrEqual, Self::LessOrEqual, Self::Equal, Self::NotEqual, Self::Greater, Self::Less];

    fn text(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}

/// Whether a character may stand in a name that is not quoted.
fn is_of_name(char: char) -> bool {
    !char.is_whitespace() && !matches!(char, '(' | ')' | '<' | '>' | '=' | '!' | '~' | '"')
}

/// A name as it is typed, in quotes where it needs them.
pub(super) fn quoted(name: &str, is_topic: bool) -> String {
    // A topic with dots is one: the last dot of all ends it.
    let is_plain = !name.is_empty() && name.chars().all(is_of_name) && (is_topic || !name.contains('.'));
    let is_word = !is_topic && ["gap", "text", "and", "or"].contains(&name);
    match is_plain && !is_word {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.topic.as_ref().map(|topic| quoted(topic, true) + ".").unwrap_or_default();
        match &self.what {
            What::Record(expression) => expression.write(&topic, f),
            What::Gap(longer_than_ns) => {
                let duration = exact(longer_than_ns.unsigned_abs()).replace(' ', "");
                write!(f, "{topic}gap > {duration}")
            }
            What::Text(pattern) => write!(f, "{topic}text ~ {}", pattern.0),
        }
    }
}

impl Expression {
    fn write(&self, topic: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inside, word) = match self {
            Self::One(Comparison { channel, operator, number }) => {
                write!(f, "{topic}{} {} ", quoted(channel, false), operator.text())?;
                return match number {
                    // With a dot or an exponent, so that it is read as a float again.
                    Value::Float64(number) => write!(f, "{number:?}"),
                    number => write!(f, "{number}"),
                };
            }
            Self::All(inside) => (inside, " and "),
            Self::Any(inside) => (inside, " or "),
        };
        for (place, one) in inside.iter().enumerate() {
            f.write_str(if place > 0 { word } else { "" })?;
            match one {
                Self::One(_) => one.write(topic, f)?,
                Self::All(_) | Self::Any(_) => {
                    f.write_str("(")?;
                    one.write(topic, f)?;
                    f.write_str(")")?;
                }
            }
        }
        Ok(())
    }
}
