//! Writing SVG: escaped, with coordinates of two decimals, and with texts that stay texts.

use std::fmt::Write as _;

/// The fonts of a figure; the first is what [`super::svg_to_png`] draws with.
pub(super) const FONTS: &str = "Ubuntu, Helvetica, Arial, sans-serif";
/// Text and axes.
pub(super) const INK: &str = "#1f2328";
/// Captions and secondary text.
pub(super) const SOFT_INK: &str = "#57606a";
/// Grid lines.
pub(super) const HAIRLINE: &str = "#d8dee4";

/// An SVG document in the making. Everything but pictures stands in a group: [`super::svg_to_png`] counts on it.
pub(super) struct Svg {
    body: String,
    in_group: bool,
    width: f64,
    height: f64,
}

/// Where a text stands relative to its position.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is written.
#[derive(Clone, Copy)]
pub(super) struct TextStyle<'a> {
    pub size: f64,
    pub fill: &'a str,
    pub anchor: Anchor,
    pub bold: bool,
    /// A white rim, for texts that lie on a picture.
    pub halo: bool,
    /// Written upwards.
    pub upright: bool,
}

impl Default for TextStyle<'_> {
    fn default() -> Self {
        Self { size: 12.0, fill: INK, anchor: Anchor::Start, bold: false, halo: false, upright: false }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy)]
pub(super) struct Stroke<'a> {
    pub color: &'a str,
    pub width: f64,
    pub dashed: bool,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), in_group: false, width, height }
    }

    /// The document: white ground, title and description for readers that cannot see, and the metadata.
    pub(super) fn finish(mut self, title: &str, metadata: Option<&str>) -> String {
        self.close_group();
        let (width, height) = (coordinate(self.width), coordinate(self.height));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\">\n<title>{}</title>\n",
            escaped(title)
        );
        if let Some(metadata) = metadata {
            let metadata = escaped(metadata);
            let _ = writeln!(svg, "<desc>{metadata}</desc>\n<metadata>{metadata}</metadata>");
        }
        let _ = writeln!(svg, "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>");
        svg + &self.body + "</svg>\n"
    }

    /// Where to write what is no picture.
    fn group(&mut self) -> &mut String {
        if !self.in_group {
            self.body.push_str("<g>\n");
            self.in_group = true;
        }
        &mut self.body
    }

    fn close_group(&mut self) {
        if self.in_group {
            self.body.push_str("</g>\n");
            self.in_group = false;
        }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, style: TextStyle<'_>) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if style.bold { " font-weight=\"700\"" } else { "" };
        let halo = if style.halo {
            " stroke=\"#ffffff\" stroke-opacity=\"0.85\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\""
        } else {
            ""
        };
        let (x, y) = (coordinate(x), coordinate(y));
        let turn = if style.upright { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        let (size, fill, text) = (coordinate(style.size), style.fill, escaped(text));
        let _ = writeln!(
            self.group(),
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{fill}\" text-anchor=\"{anchor}\"{weight}{halo}{turn}>{text}</text>"
        );
    }

    pub(super) fn polyline(&mut self, points: &[[f64; 2]], stroke: Stroke<'_>) {
        if points.len() < 2 {
            return;
        }
        let dashes = if stroke.dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let places: Vec<String> =
            points.iter().map(|[x, y]| format!("{},{}", coordinate(*x), coordinate(*y))).collect();
        let _ = writeln!(
            self.group(),
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\"{dashes}/>",
            places.join(" "),
            stroke.color,
            coordinate(stroke.width)
        );
    }

    pub(super) fn line(&mut self, from: [f64; 2], to: [f64; 2], stroke: Stroke<'_>) {
        self.polyline(&[from, to], stroke);
    }

    /// A closed shape with a white rim.
    pub(super) fn shape(&mut self, points: &[[f64; 2]], fill: &str) {
        let places: Vec<String> =
            points.iter().map(|[x, y]| format!("{},{}", coordinate(*x), coordinate(*y))).collect();
        let _ = writeln!(
            self.group(),
            "<polygon points=\"{}\" fill=\"{fill}\" stroke=\"#ffffff\" stroke-width=\"1.5\" stroke-linejoin=\"round\"/>",
            places.join(" ")
        );
    }

    pub(super) fn circle(&mut self, [x, y]: [f64; 2], radius: f64, fill: &str) {
        let (x, y, radius) = (coordinate(x), coordinate(y), coordinate(radius));
        let _ = writeln!(
            self.group(),
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"#ffffff\" stroke-width=\"1.5\"/>"
        );
    }

    pub(super) fn frame(&mut self, area: Area) {
        let _ =
            writeln!(self.group(), "<rect {} fill=\"none\" stroke=\"{INK}\" stroke-width=\"1\"/>", area.attributes());
    }

    /// A PNG, stretched over an area; not to be used between `begin_clip` and `end_clip`.
    pub(super) fn image(&mut self, area: Area, png: &[u8]) {
        let place = area.attributes();
        self.close_group();
        let _ = writeln!(
            self.body,
            "<image {place} preserveAspectRatio=\"none\" xlink:href=\"data:image/png;base64,{}\"/>",
            base64(png)
        );
    }

    /// What is drawn between this and [`Svg::end_clip`] ends at the borders of an area. `name` is unique in the document.
    pub(super) fn begin_clip(&mut self, name: &str, area: Area) {
        let place = area.attributes();
        let _ = writeln!(
            self.group(),
            "<clipPath id=\"{name}\"><rect {place}/></clipPath>\n<g clip-path=\"url(#{name})\">"
        );
    }

    pub(super) fn end_clip(&mut self) {
        self.group().push_str("</g>\n");
    }
}

/// A rectangle of the figure, y downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub(super) fn right(self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(self) -> f64 {
        self.top + self.height
    }

    fn attributes(self) -> String {
        let [x, y, width, height] = [self.left, self.top, self.width, self.height].map(coordinate);
        format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
    }
}

/// `#rrggbb`.
pub(super) fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Two decimals are a hundredth of a pixel; what is not finite stays out of the document.
fn coordinate(value: f64) -> String {
    let value = if value.is_finite() { value.clamp(-1e6, 1e6) } else { 0.0 };
    let written = format!("{value:.2}");
    written.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text for an element or an attribute; control characters, which XML forbids, become spaces.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push('\n'),
            _ if character.is_control() || matches!(character, '\u{FFFE}' | '\u{FFFF}') => {
                escaped.push(' ');
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// About how wide a text is: figures are laid out without a font, so that the layout is the same everywhere.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(|character| if character.is_ascii() { 0.55 } else { 0.8 }).sum::<f64>() * size
}

/// A text in lines of at most `width`, broken between words.
pub(super) fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + 0.55 * size <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_u32, |group, place| group << 8 | u32::from(chunk.get(place).copied().unwrap_or(0)));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            encoded.push(if place > chunk.len() { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }

    #[test]
    fn nothing_in_a_text_can_open_or_close_an_element() {
        assert_eq!(escaped("a<b & \"c\">'d'\u{0}"), "a&lt;b &amp; &quot;c&quot;&gt;&apos;d&apos; ");
    }

    #[test]
    fn captions_break_between_words_and_lose_none() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrapped(text, 10.0, 60.0);
        assert!(lines.len() > 2 && lines.iter().all(|line| text_width(line, 10.0) <= 60.0));
        assert_eq!(lines.join(" "), text);
    }
}
