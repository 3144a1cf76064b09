//! A part of a session as a picture: SVG, for pages and for print.
//!
//! A row for each channel has the least and the greatest value of each column of pixels, so that no peak is hidden however much
//! time a column is. Rows for the rate and the longest gap of a stream follow, and at the end what happened, on the time axis.
//! Nothing is said by colours alone: rows have names, and what happened has shapes and words.

mod marks;
mod ticks;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor};

use crate::analysis::survey::{Band, Column, Survey, Surveyed};
use crate::codec::topic::shown;
use crate::escape::html::Html;
use crate::escape::line;
use crate::time::durations::seconds;

pub use marks::{Mark, Shape};
pub use ticks::text as time_text;

/// How wide a picture can be, in pixels.
pub const WIDTH_MIN_PX: u32 = 320;
/// See [`WIDTH_MIN_PX`].
pub const WIDTH_MAX_PX: u32 = 4096;

/// What stands at the left of the rows, in pixels.
const LEFT_PX: u32 = 148;
/// The same on a narrow picture, as on a telephone.
const LEFT_NARROW_PX: u32 = 92;
const RIGHT_PX: u32 = 12;
const TITLE_PX: u32 = 26;
const RATE_PX: u32 = 44;
const EVENTS_PX: u32 = 34;
const AXIS_PX: u32 = 26;
/// Between two rows.
const SPACE_PX: u32 = 6;
/// Between two numbers of the axis, at least.
const TICK_PX: u32 = 110;
const FONT_PX: u32 = 12;

/// More marks than that are not told apart on any picture.
const MARKS_MAX: usize = 500;

const INK: RGBColor = RGBColor(0x1b, 0x1b, 0x1c);
const FAINT: RGBColor = RGBColor(0xd2, 0xd2, 0xd4);
const QUIET: RGBColor = RGBColor(0x5f, 0x5f, 0x66);
const BAND: RGBColor = RGBColor(0x1f, 0x5f, 0x99);
const RATE: RGBColor = RGBColor(0x7f, 0x9f, 0xba);
const GAP: RGBColor = RGBColor(0xb0, 0x8a, 0x3c);
const LOSS: RGBColor = RGBColor(0xb3, 0x26, 0x1e);
const FLAG: RGBColor = RGBColor(0x6a, 0x3d, 0x9a);

/// The style sheet of pictures: they fit into their page, light or dark.
pub const STYLE: &str = include_str!("picture.css");

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// How many columns of a survey a picture of this width has.
pub fn columns(width_px: u32) -> usize {
    let width_px = width_px.clamp(WIDTH_MIN_PX, WIDTH_MAX_PX);
    (width_px - left_px(width_px) - RIGHT_PX) as usize
}

fn left_px(width_px: u32) -> u32 {
    if width_px < 640 { LEFT_NARROW_PX } else { LEFT_PX }
}

/// From where to where the columns are, as parts of the width of a picture.
pub fn across(width_px: u32) -> (f64, f64) {
    let width_px = width_px.clamp(WIDTH_MIN_PX, WIDTH_MAX_PX);
    let part = |px: u32| f64::from(px) / f64::from(width_px);
    (part(left_px(width_px)), part(width_px - RIGHT_PX))
}

/// Draw a survey of [`columns`] columns. `about` says in words what it is, for those who cannot see it.
pub fn svg(survey: &Survey, marks: &[Mark], width_px: u32, about: &str) -> String {
    let width_px = width_px.clamp(WIDTH_MIN_PX, WIDTH_MAX_PX);
    let rows_px: u32 = survey.streams.values().map(stream_px).sum();
    let height_px = rows_px + EVENTS_PX + AXIS_PX;
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (width_px, height_px)).into_drawing_area();
    let frame = Frame { left: left_px(width_px) as i32, right: (width_px - RIGHT_PX) as i32, survey };
    let drawn = frame.draw(&area, marks, height_px as i32).and_then(|()| area.present());
    drop(area);
    // What is written into a text cannot fail.
    debug_assert!(drawn.is_ok());
    with_head(&text, width_px, height_px, about)
}

/// The picture with a root of our own, which fits into the width of its page.
fn with_head(svg: &str, width_px: u32, height_px: u32, about: &str) -> String {
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let part = format_args!("0 0 {width_px} {height_px}");
    let mut picture = Html::default();
    picture.begin("svg", &[("class", &"picture"), ("role", &"img"), ("aria-label", &about), ("viewBox", &part)]);
    picture.picture(body);
    picture.into_string()
}

/// How high the row of a channel is, by how many there are.
fn band_px(channels: usize) -> u32 {
    match channels {
        0..=2 => 120,
        3..=4 => 84,
        5..=8 => 60,
        _ => 42,
    }
}

fn stream_px(surveyed: &Surveyed) -> u32 {
    let channels = surveyed.channels.len() as u32;
    TITLE_PX + channels * (band_px(surveyed.channels.len()) + SPACE_PX) + 2 * (RATE_PX + SPACE_PX)
}

/// Where everything is.
struct Frame<'a> {
    left: i32,
    right: i32,
    survey: &'a Survey,
}

impl Frame<'_> {
    fn draw(&self, area: &Area<'_>, marks: &[Mark], height: i32) -> Drawn {
        let ticks_max = ((self.right - self.left) as u32 / TICK_PX).max(2) as usize;
        let ticks = ticks::ticks(self.survey.from_ns, self.survey.to_ns, ticks_max);
        let axis = height - AXIS_PX as i32;
        for (at_ns, words) in &ticks {
            let x = self.x(*at_ns);
            area.draw(&PathElement::new([(x, 0), (x, axis)], FAINT.stroke_width(1)))?;
            write(area, words, (x, axis + 4), QUIET, HPos::Center)?;
        }
        let mut top = 0;
        for surveyed in self.survey.streams.values() {
            top = self.draw_stream(area, surveyed, top)?;
        }
        self.draw_marks(area, marks, (top, axis))
    }

    /// Where a time is, in pixels; what is outside stands at the border.
    fn x(&self, at_ns: i64) -> i32 {
        let Survey { from_ns, to_ns, .. } = *self.survey;
        let part = (at_ns as f64 - from_ns as f64) / (to_ns as f64 - from_ns as f64).max(1.0);
        self.left + (part.clamp(0.0, 1.0) * f64::from(self.right - self.left)) as i32
    }

    /// Draw the rows of a stream below `top`. Gives where they end.
    fn draw_stream(
        &self,
        area: &Area<'_>,
        surveyed: &Surveyed,
        top: i32,
    ) -> Result<i32, DrawingAreaErrorKind<std::io::Error>> {
        let stream = &surveyed.stream;
        let topic = if stream.topic.is_empty() { "(no topic)".to_owned() } else { shown(&stream.topic) };
        let left = match surveyed.channels_left {
            0 => String::new(),
            count => format!(", {count} more channels"),
        };
        let title = format!("{topic}, endpoint {}, {}{left}", stream.endpoint, stream.layout);
        write_bold(area, &shortened(&title, (self.right / 7).max(20) as usize), (4, top + 8))?;
        let mut top = top + TITLE_PX as i32;
        let height = band_px(surveyed.channels.len()) as i32;
        for band in &surveyed.channels {
            self.draw_band(area, band, top, height)?;
            top += height + SPACE_PX as i32;
        }
        let column_s =
            seconds(self.survey.to_ns.saturating_sub(self.survey.from_ns)) / surveyed.columns.len().max(1) as f64;
        let rates = |column: &Column| column.messages / column_s.max(1e-9);
        self.draw_bars(area, surveyed, ("messages/s", RATE), rates, top)?;
        top += (RATE_PX + SPACE_PX) as i32;
        let gaps = |column: &Column| seconds(column.longest_gap_ns);
        self.draw_bars(area, surveyed, ("longest gap, s", GAP), gaps, top)?;
        Ok(top + (RATE_PX + SPACE_PX) as i32)
    }

    /// The name of a row, and its highest and lowest value.
    fn label(&self, area: &Area<'_>, name: &str, range: Option<(f64, f64)>, (top, height): (i32, i32)) -> Drawn {
        let chars = (self.left as usize / 7).saturating_sub(2);
        let bottom = top + height;
        area.draw(&PathElement::new([(self.left, bottom), (self.right, bottom)], FAINT.stroke_width(1)))?;
        write(area, &shortened(name, chars), (4, top + height / 2 - FONT_PX as i32 / 2), INK, HPos::Left)?;
        if let Some((least, greatest)) = range {
            write(area, &number(greatest), (self.left - 4, top), QUIET, HPos::Right)?;
            write(area, &number(least), (self.left - 4, bottom - FONT_PX as i32), QUIET, HPos::Right)?;
        }
        Ok(())
    }

    fn draw_band(&self, area: &Area<'_>, band: &Band, top: i32, height: i32) -> Drawn {
        let range = band.range();
        let unit = band.channel.unit.as_ref().map_or(String::new(), |unit| format!(" ({unit})"));
        self.label(area, &format!("{}{unit}", band.channel.name), range, (top, height))?;
        let Some((least, greatest)) = range else { return Ok(()) };
        let y = |value: f64| scaled(value, (least, greatest), (top, height));
        let mut path: Vec<(i32, i32)> = Vec::new();
        let end = |path: &mut Vec<(i32, i32)>| -> Drawn {
            // A point alone is seen too.
            if let [only] = path.as_slice() {
                area.draw(&Rectangle::new([(only.0 - 1, only.1 - 1), (only.0 + 1, only.1 + 1)], BAND.filled()))?;
            } else if !path.is_empty() {
                area.draw(&PathElement::new(std::mem::take(path), BAND.stroke_width(1)))?;
            }
            path.clear();
            Ok(())
        };
        for (place, column) in band.columns.iter().enumerate() {
            let Some((least, greatest)) = *column else {
                end(&mut path)?;
                continue;
            };
            let (x, low, high) = (self.left + place as i32, y(least), y(greatest));
            // The end that is nearer to what was drawn last comes first.
            let is_low_first = path.last().is_none_or(|&(_, last)| (last - low).abs() <= (last - high).abs());
            let (first, second) = if is_low_first { (low, high) } else { (high, low) };
            path.push((x, first));
            if second != first {
                path.push((x, second));
            }
        }
        end(&mut path)
    }

    /// A value for each column, from zero on.
    fn draw_bars(
        &self,
        area: &Area<'_>,
        surveyed: &Surveyed,
        (name, colour): (&str, RGBColor),
        of: impl Fn(&Column) -> f64,
        top: i32,
    ) -> Drawn {
        let height = RATE_PX as i32;
        let greatest = surveyed.columns.iter().map(&of).fold(0.0, f64::max);
        self.label(area, name, Some((0.0, greatest)), (top, height))?;
        let bottom = top + height;
        let mut points = vec![(self.left, bottom)];
        for (place, column) in surveyed.columns.iter().enumerate() {
            let (x, y) = (self.left + place as i32, scaled(of(column), (0.0, greatest), (top, height)));
            points.extend([(x, y), (x + 1, y)]);
        }
        points.push((self.right, bottom));
        points.dedup();
        area.draw(&Polygon::new(points, colour.filled()))
    }

    fn draw_marks(&self, area: &Area<'_>, marks: &[Mark], (top, bottom): (i32, i32)) -> Drawn {
        let Survey { from_ns, to_ns, .. } = *self.survey;
        write(area, "what happened", (4, top + 10), INK, HPos::Left)?;
        area.draw(&PathElement::new([(self.left, bottom), (self.right, bottom)], INK.stroke_width(1)))?;
        let mut seen: Vec<&Mark> = marks.iter().filter(|mark| mark.to_ns >= from_ns && mark.from_ns < to_ns).collect();
        // What matters most is drawn last, and so on top.
        seen.sort_by_key(|mark| (mark.shape, mark.from_ns));
        seen.drain(..seen.len().saturating_sub(MARKS_MAX));
        let mut written_to = Vec::new();
        for mark in seen {
            self.draw_mark(area, mark, (top, bottom))?;
            let x = self.x(mark.from_ns);
            let width = (mark.words.chars().count() as i32 + 2) * 7;
            let is_free = written_to.iter().all(|&(from, to)| x + width < from || x > to);
            if is_free && x + width < self.right {
                write(area, &mark.words, (x + 8, top + 2), INK, HPos::Left)?;
                written_to.push((x, x + width));
            }
        }
        Ok(())
    }

    fn draw_mark(&self, area: &Area<'_>, mark: &Mark, (top, bottom): (i32, i32)) -> Drawn {
        let (from, to) = (self.x(mark.from_ns), self.x(mark.to_ns));
        let to = to.max(from + 3);
        let (high, low) = (top + 18, bottom - 2);
        let through = |colour: RGBColor| PathElement::new([(from, 0), (from, bottom)], colour.stroke_width(1));
        match mark.shape {
            Shape::Loss => {
                area.draw(&through(LOSS))?;
                area.draw(&Rectangle::new([(from, high), (to, low)], LOSS.filled()))
            }
            Shape::Stall => area.draw(&Rectangle::new([(from, high), (to, low)], INK.stroke_width(1))),
            Shape::Flag => {
                area.draw(&through(FLAG))?;
                area.draw(&Polygon::new([(from, high), (from + 9, high + 5), (from, high + 10)], FLAG.filled()))
            }
            Shape::Dot => area.draw(&Circle::new((from, (high + low) / 2), 3, QUIET.filled())),
        }
    }
}

/// Where a value stands in a row. What is infinite stands at its border.
fn scaled(value: f64, (least, greatest): (f64, f64), (top, height): (i32, i32)) -> i32 {
    let bottom = top + height;
    let spread = greatest - least;
    let part = match spread.is_finite() && spread > 0.0 {
        true => (value - least) / spread,
        false if value == f64::INFINITY => 1.0,
        false if value == f64::NEG_INFINITY => 0.0,
        false => 0.5,
    };
    (f64::from(bottom) - part.clamp(0.0, 1.0) * f64::from(height)).round() as i32
}

fn style(colour: RGBColor, at: HPos) -> plotters::style::TextStyle<'static> {
    ("sans-serif", FONT_PX).into_font().color(&colour).pos(Pos::new(at, VPos::Top))
}

fn write(area: &Area<'_>, words: &str, at: (i32, i32), colour: RGBColor, anchor: HPos) -> Drawn {
    area.draw(&Text::new(words.to_owned(), at, style(colour, anchor)))
}

fn write_bold(area: &Area<'_>, words: &str, at: (i32, i32)) -> Drawn {
    let style = ("sans-serif", FONT_PX, plotters::style::FontStyle::Bold).into_font().color(&INK);
    area.draw(&Text::new(words.to_owned(), at, style.pos(Pos::new(HPos::Left, VPos::Top))))
}

/// As many characters as have room.
fn shortened(words: &str, chars: usize) -> String {
    let words = line(words);
    match words.char_indices().nth(chars) {
        None => words.into_owned(),
        Some(_) => words.chars().take(chars.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}

/// A number with at most six digits that matter.
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs();
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = (5 - size.log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
