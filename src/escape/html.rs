//! HTML and SVG. Markup stands in the program's text only, as its types demand; whatever else is written becomes text or the
//! value of an attribute, in which nothing is markup.

use std::fmt::{self, Display, Write};

use super::Line;

/// A document, or a part of one.
#[derive(Clone, Debug, Default)]
pub struct Html(String);

/// The attributes of an element.
pub type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

impl Html {
    /// Markup of ours.
    pub fn markup(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// A picture that `picture` has drawn, where all texts are escaped.
    pub fn picture(&mut self, svg: &str) {
        self.0.push_str(svg);
    }

    /// Text from anywhere.
    pub fn text(&mut self, text: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(Line(Escaped(&mut self.0)), "{text}");
    }

    /// An element and what is in it.
    pub fn element(&mut self, name: &'static str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.begin(name, attributes);
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element with text in it.
    pub fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>, text: impl Display) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element that holds nothing, such as `input`.
    pub fn begin(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// Another part.
    pub fn append(&mut self, part: &Self) {
        self.0.push_str(&part.0);
    }

    /// The text of it.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Writes text in which nothing is markup, neither in an element nor in the value of an attribute.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            match char {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(char),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup() {
        let mut html = Html::default();
        let bad = "</p><script>alert('1')</script>\n\u{202e}&\"";
        html.element("a", &[("title", &bad), ("href", &"/x?a=1&b=2")], |html| html.text(bad));
        let escaped = "&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\\n\\u{202e}&amp;&quot;";
        let expected = format!("<a title=\"{escaped}\" href=\"/x?a=1&amp;b=2\">{escaped}</a>");
        assert_eq!(html.into_string(), expected);
    }
}
