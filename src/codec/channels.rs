//! What the numbers of a layout measure: names, units, and how raw values become physical ones.

use std::fmt;
use std::str::FromStr;

use crate::codec::layout::{LAYOUT_MAX_NUMBERS, Layout};

/// The longest name or unit in bytes.
const WORD_MAX_BYTES: usize = 255;

/// What one number of a header or record measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name, which no other one of the stream has.
    pub name: String,
    /// The unit of its physical value, if it has one.
    pub unit: Option<String>,
    /// The physical value is the raw one times this ...
    pub scale: f64,
    /// ... and this added.
    pub offset: f64,
}

impl Channel {
    /// A number without a name: `ch0`, `ch1`, ...; its physical value is the raw one.
    pub fn unnamed(place: usize) -> Self {
        Self { name: format!("ch{place}"), unit: None, scale: 1.0, offset: 0.0 }
    }

    /// Whether physical values are raw ones.
    pub fn is_raw(&self) -> bool {
        self.scale == 1.0 && self.offset == 0.0
    }
}

/// Channels in the order of the numbers of a layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channels(Vec<Channel>);

impl Channels {
    /// One for each number of a layout, without names.
    pub fn unnamed(layout: &Layout) -> Self {
        Self((0..layout.number_count()).map(Channel::unnamed).collect())
    }

    /// These.
    pub fn of(channels: Vec<Channel>) -> Self {
        Self(channels)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Channel> {
        self.0.iter()
    }

    /// Whether there is one for each number of `layout`.
    ///
    /// # Errors
    /// How many are needed.
    pub fn fit(&self, layout: &Layout) -> Result<(), String> {
        let (needed, named) = (layout.number_count(), self.0.len());
        match needed == named {
            true => Ok(()),
            false => Err(format!("layout {layout} has {needed} numbers in its headers and records; {named} are named")),
        }
    }
}

impl FromStr for Channels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let channels: Vec<Channel> = text.split(',').map(channel).collect::<Result<_, _>>()?;
        if channels.len() > LAYOUT_MAX_NUMBERS {
            return Err(format!("there are at most {LAYOUT_MAX_NUMBERS} channels"));
        }
        let mut names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        names.sort_unstable();
        match names.iter().zip(names.iter().skip(1)).find(|(name, next)| name == next) {
            Some((name, _)) => Err(format!("two channels are called '{name}'")),
            None => Ok(Self(channels)),
        }
    }
}

fn channel(text: &str) -> Result<Channel, String> {
    let mut words = text.split(':');
    let mut word = || words.next().map(str::trim).filter(|word| !word.is_empty());
    let name = word().ok_or_else(|| format!("'{text}': a channel is NAME[:UNIT[:SCALE[:OFFSET]]]"))?;
    let (unit, scale, offset) = (word(), word(), word());
    if words.next().is_some() {
        return Err(format!("'{text}': nothing follows the offset in NAME[:UNIT[:SCALE[:OFFSET]]]"));
    }
    for word in [Some(name), unit].into_iter().flatten() {
        if word.len() > WORD_MAX_BYTES || word.contains(|char: char| char.is_control() || char == '=') {
            return Err(format!("{word:?}: a name or unit has at most {WORD_MAX_BYTES} printable bytes, and no `=`"));
        }
    }
    let number = |word: Option<&str>, missing: f64| match word.map(str::parse::<f64>) {
        None => Ok(missing),
        Some(Ok(number)) if number.is_finite() => Ok(number),
        Some(_) => Err(format!("'{text}': scale and offset are numbers, such as 0.001 or -273.15")),
    };
    let (scale, offset) = (number(scale, 1.0)?, number(offset, 0.0)?);
    if scale == 0.0 {
        return Err(format!("'{text}': a scale of 0 would make all values equal"));
    }
    Ok(Channel { name: name.to_owned(), unit: unit.map(str::to_owned), scale, offset })
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, channel) in self.0.iter().enumerate() {
            f.write_str(if place > 0 { "," } else { "" })?;
            f.write_str(&channel.name)?;
            if channel.unit.is_some() || !channel.is_raw() {
                write!(f, ":{}", channel.unit.as_deref().unwrap_or_default())?;
            }
            if !channel.is_raw() {
                write!(f, ":{}:{}", channel.scale, channel.offset)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_names_units_and_scales() {
        let channels: Channels = "x:g:0.001,y,temp:\u{b0}C:0.01:-273.15,n::2".parse().unwrap();
        let found: Vec<_> = channels.iter().map(|c| (c.name.as_str(), c.unit.as_deref(), c.scale, c.offset)).collect();
        let expected = [
            ("x", Some("g"), 0.001, 0.0),
            ("y", None, 1.0, 0.0),
            ("temp", Some("\u{b0}C"), 0.01, -273.15),
            ("n", None, 2.0, 0.0),
        ];
        assert_eq!(found, expected);
        assert_eq!(channels.to_string().parse(), Ok(channels));
    }

    #[test]
    fn what_is_no_list_of_channels_is_said() {
        for (text, cause) in [
            ("", "a channel is NAME"),
            ("a,,b", "a channel is NAME"),
            ("a:V:1:2:3", "nothing follows"),
            ("a:V:x", "scale and offset are numbers"),
            ("a:V:1:inf", "scale and offset are numbers"),
            ("a:V:0", "a scale of 0"),
            ("a,b,a", "two channels are called 'a'"),
            ("a\x07", "printable"),
            ("a:=g", "no `=`"),
        ] {
            let error = text.parse::<Channels>().unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }

    #[test]
    fn channels_that_do_not_fit_say_how_many_are_needed() {
        let layout: Layout = "uint32/int16x3+text+uint8".parse().unwrap();
        let channels: Channels = "count,x,y,z".parse().unwrap();
        let error = channels.fit(&layout).unwrap_err();
        assert_eq!(error, "layout uint32/int16x3+text+uint8 has 5 numbers in its headers and records; 4 are named");
        assert_eq!(Channels::unnamed(&layout).fit(&layout), Ok(()));
        assert_eq!(Channels::unnamed(&layout).iter().last().unwrap().name, "ch4");
    }
}
