//! From the text of a condition to what it says.

use std::borrow::Cow;
use std::str::FromStr;

use regex::RegexBuilder;

use crate::codec::condition::{
    CONDITION_MAX_BYTES, Comparison, Condition, Expression, Operator, Pattern, What, is_of_name,
};
use crate::codec::number::Value;

/// The most brackets within each other.
const DEPTH_MAX: usize = 32;

/// The most memory that a regular expression takes, in bytes, and what is remembered while it is looked for.
const REGEX_MAX_BYTES: usize = 1 << 20;

/// The most groups within each other in a regular expression.
const REGEX_DEPTH_MAX: u32 = 64;

const COMPARISON: &str = "a comparison is [TOPIC.]CHANNEL OP NUMBER, such as ch3 > 1200; OP is > >= < <= == or !=";
const QUOTE: &str = "a name in quotes ends with a quote; a quote within it is written \\\"";
const NAME: &str = "a name is [TOPIC.]CHANNEL, with at least one character on each side of the dot; \"...\" quotes a name with \
                    dots, spaces or brackets";
const OPERATOR: &str = "behind a channel stands one of > >= < <= == != and a number";
const NUMBER: &str = "behind an operator stands a number, such as 1200, -0.5, 1e-3 or inf";
const NAN: &str = "no comparison with NaN ever holds";
const DURATION: &str = "behind `gap >` stands a duration, such as 500ms or 1m30s, and nothing else; a channel of that name is written \"gap\"";
const REGEX: &str = "behind `text ~` stands a regular expression; a channel of that name is written \"text\"";
const ALONE: &str = "`gap > DURATION` and `text ~ REGEX` stand alone, without brackets, `and` and `or`; a channel of that name is \
                     written \"gap\" or \"text\"";
const JOINT: &str = "comparisons are joined by `and` or `or`";
const CLOSE: &str = "a bracket that was opened is closed by `)`";
const DEPTH: &str = "there are at most 32 brackets within each other";
const ONE_TOPIC: &str = "a condition is about one topic";
const LENGTH: &str = "a condition has at most 4096 bytes";

/// Why a text is no condition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}, '{found}': {rule}", .at + 1)]
pub struct NoCondition {
    /// Where, in characters from 0.
    at: usize,
    found: String,
    rule: Cow<'static, str>,
}

impl FromStr for Condition {
    type Err = NoCondition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { text, rest: text, topic: None, depth: 0 };
        if text.len() > CONDITION_MAX_BYTES {
            return Err(parser.refuse(LENGTH));
        }
        if let Some(alone) = parser.alone()? {
            return Ok(alone);
        }
        let expression = parser.any()?;
        if !parser.rest.is_empty() {
            return Err(parser.refuse(JOINT));
        }
        Ok(Self { topic: parser.topic, what: What::Record(expression) })
    }
}

/// Reads from left to right.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    /// The topic that was named first.
    topic: Option<String>,
    /// Brackets that are open.
    depth: usize,
}

/// `[TOPIC.]CHANNEL`.
struct Name {
    topic: Option<String>,
    channel: String,
    /// Whether the channel stands in quotes, in part at least.
    is_quoted: bool,
}

impl Name {
    fn is_word(&self, word: &str) -> bool {
        !self.is_quoted && self.channel == word
    }
}

impl<'a> Parser<'a> {
    /// What stands there is wrong.
    fn refuse(&self, rule: impl Into<Cow<'static, str>>) -> NoCondition {
        let at = self.text.get(..self.text.len() - self.rest.len()).unwrap_or_default().chars().count();
        NoCondition { at, found: self.rest.chars().take(40).collect(), rule: rule.into() }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, text: &str) -> bool {
        let behind = self.rest.strip_prefix(text);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// Take a word that joins comparisons, if it is there.
    fn eat_word(&mut self, word: &str) -> bool {
        let behind = self.rest.strip_prefix(word);
        let behind = behind.filter(|behind| !behind.starts_with(|next| is_of_name(next) || next == '"'));
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// What stands for itself.
    fn alone(&mut self) -> Result<Option<Condition>, NoCondition> {
        let begin = self.rest;
        self.skip_spaces();
        if self.rest.starts_with('(') {
            return Ok(None);
        }
        let name = self.name()?;
        self.skip_spaces();
        let what = if name.is_word("gap") {
            if !self.eat(">") || self.rest.starts_with('=') {
                return Err(
                    self.refuse("a gap is only compared as in `gap > 5s`; a channel of that name is written \"gap\"")
                );
            }
            self.skip_spaces();
            let duration = humantime::parse_duration(self.rest.trim_end()).ok();
            let longer_than_ns = duration.and_then(|duration| i64::try_from(duration.as_nanos()).ok());
            What::Gap(longer_than_ns.ok_or_else(|| self.refuse(DURATION))?)
        } else if name.is_word("text") {
            if !self.eat("~") {
                return Err(self
                    .refuse("a text is looked for as in `text ~ REGEX`; a channel of that name is written \"text\""));
            }
            self.skip_spaces();
            What::Text(self.pattern()?)
        } else {
            self.rest = begin;
            return Ok(None);
        };
        Ok(Some(Condition { topic: name.topic, what }))
    }

    fn pattern(&mut self) -> Result<Pattern, NoCondition> {
        let text = self.rest.trim_end();
        if text.is_empty() {
            return Err(self.refuse(REGEX));
        }
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(REGEX_MAX_BYTES).dfa_size_limit(REGEX_MAX_BYTES).nest_limit(REGEX_DEPTH_MAX);
        builder.build().map(Pattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                self.refuse("the regular expression takes more than 1 MiB; repeat less in it")
            }
            error => {
                // A picture of some lines: the pattern, a mark below its wrong character, and the reason.
                let picture = error.to_string();
                let marked = picture.lines().find(|line| line.trim_start().starts_with('^'));
                let at = marked.and_then(|line| line.find('^')).unwrap_or_default().saturating_sub(4);
                let (place, _) = text.char_indices().nth(at).unwrap_or((text.len(), ' '));
                self.rest = self.rest.get(place..).unwrap_or_default();
                let reason = picture.lines().last().unwrap_or_default();
                self.refuse(format!("no regular expression: {}", reason.trim_start_matches("error: ")))
            }
        })
    }

    fn any(&mut self) -> Result<Expression, NoCondition> {
        self.joined("or", Self::all, Expression::Any)
    }

    fn all(&mut self) -> Result<Expression, NoCondition> {
        self.joined("and", Self::one, Expression::All)
    }

    fn joined(
        &mut self,
        word: &str,
        inside: fn(&mut Self) -> Result<Expression, NoCondition>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, NoCondition> {
        let first = inside(self)?;
        let mut more = vec![first];
        while self.eat_word(word) {
            more.push(inside(self)?);
        }
        match more.len() {
            1 => more.pop().ok_or_else(|| self.refuse(COMPARISON)),
            _ => Ok(join(more)),
        }
    }

    /// What may be joined. Spaces behind it are passed over.
    fn one(&mut self) -> Result<Expression, NoCondition> {
        self.skip_spaces();
        let begin = self.rest;
        if !self.eat("(") {
            let one = self.comparison()?;
            self.skip_spaces();
            return Ok(Expression::One(one));
        }
        if self.depth == DEPTH_MAX {
            self.rest = begin;
            return Err(self.refuse(DEPTH));
        }
        self.depth += 1;
        let inside = self.any()?;
        if !self.eat(")") {
            return Err(self.refuse(if self.rest.is_empty() { CLOSE } else { JOINT }));
        }
        self.depth -= 1;
        self.skip_spaces();
        Ok(inside)
    }

    fn comparison(&mut self) -> Result<Comparison, NoCondition> {
        let begin = self.rest;
        let name = self.name()?;
        let behind = std::mem::replace(&mut self.rest, begin);
        if name.is_word("gap") || name.is_word("text") {
            return Err(self.refuse(ALONE));
        }
        if let Some(topic) = name.topic {
            if self.topic.as_ref().is_some_and(|known| *known != topic) {
                return Err(self.refuse(ONE_TOPIC));
            }
            self.topic = Some(topic);
        }
        self.rest = behind;
        self.skip_spaces();
        let operator = Operator::ALL.into_iter().find(|operator| self.eat(operator.text()));
        let operator = operator.ok_or_else(|| self.refuse(OPERATOR))?;
        self.skip_spaces();
        Ok(Comparison { channel: name.channel, operator, number: self.number()? })
    }

    fn name(&mut self) -> Result<Name, NoCondition> {
        let begin = self.rest;
        // The last dot by its place in the text without quotes, and whether there are quotes behind it, and before it.
        let (mut text, mut dot, mut is_quoted, mut is_topic_quoted) = (String::new(), None, false, false);
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                Some('"') => {
                    is_quoted = true;
                    self.rest = self.quoted(&mut text).ok_or_else(|| self.refuse(QUOTE))?;
                    continue;
                }
                Some('.') => {
                    is_topic_quoted |= is_quoted;
                    (dot, is_quoted) = (Some(text.len()), false);
                }
                Some(char) if is_of_name(char) => {}
                _ => break,
            }
            text.extend(self.rest.chars().next());
            self.rest = chars.as_str();
        }
        let (topic, channel) = match dot {
            None => (None, text.as_str()),
            Some(dot) => (text.get(..dot), text.get(dot + 1..).unwrap_or_default()),
        };
        let is_empty = channel.is_empty() || topic.is_some_and(str::is_empty) && !is_topic_quoted;
        let is_keyword = !is_quoted && topic.is_none() && ["and", "or"].contains(&channel);
        if is_empty || is_keyword {
            let rule = if is_keyword || text.is_empty() && !is_quoted { COMPARISON } else { NAME };
            self.rest = begin;
            return Err(self.refuse(rule));
        }
        Ok(Name { topic: topic.map(str::to_owned), channel: channel.to_owned(), is_quoted })
    }

    /// Append what stands in the quotes, and give what is behind them. `None` without an end.
    fn quoted(&self, text: &mut String) -> Option<&'a str> {
        let mut chars = self.rest.strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => return Some(chars.as_str()),
                // Before any other character it stands for itself: `"\xff"` is how such a topic is printed.
                '\\' => match chars.clone().next() {
                    Some(char @ ('"' | '\\')) => {
                        text.push(char);
                        chars.next();
                    }
                    _ => text.push('\\'),
                },
                char => text.push(char),
            }
        }
    }

    fn number(&mut self) -> Result<Value, NoCondition> {
        let end = self.rest.find(|char: char| !is_of_name(char)).unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at_checked(end).unwrap_or_default();
        let number = number(word).map_err(|rule| self.refuse(rule))?;
        self.rest = behind;
        Ok(number)
    }
}

fn number(word: &str) -> Result<Value, &'static str> {
    if let Ok(number) = word.parse() {
        return Ok(Value::Int(number));
    }
    if let Ok(number) = word.parse() {
        return Ok(Value::UInt(number));
    }
    let number: f64 = word.parse().map_err(|_| NUMBER)?;
    let is_whole = word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-'));
    let is_named = word.ends_with(|char: char| char.is_ascii_alphabetic());
    match number {
        _ if number.is_nan() => Err(NAN),
        _ if number.is_infinite() && !is_named => Err("the number is beyond what a float64 can hold"),
        // Below all of 64 bits, not equal to the least one.
        _ if is_whole && number == i64::MIN as f64 => Ok(Value::Float64(number.next_down())),
        _ => Ok(Value::Float64(number)),
    }
}
