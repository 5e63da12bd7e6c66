//! Horizontal bars with their names before and their figures behind them.

use std::path::Path;

use anyhow::Result;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::prelude::{IntoDrawingArea as _, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, IntoFont as _, RGBColor, TextStyle, WHITE};

use super::{FAINT, GRID, INK, RED};

const WIDTH: i32 = 960;
const TOP: i32 = 76;
const ROW: i32 = 27;
const NAMES: i32 = 310;
const COLUMN: i32 = 62;

/// One bar.
pub struct Bar {
    /// Before it.
    pub name: String,
    /// In the plot's unit.
    pub length: f64,
    /// A pale bar goes on to here.
    pub beyond: Option<f64>,
    /// Its colour.
    pub colour: RGBColor,
    /// A tick across it: what it may be at most.
    pub most: Option<f64>,
    /// In columns behind all bars.
    pub figures: Vec<String>,
}

/// All of them.
pub struct Bars<'a> {
    /// Above.
    pub title: &'a str,
    /// Below the title.
    pub subtitle: &'a str,
    /// From the top.
    pub rows: Vec<Bar>,
    /// A line across all bars, and what it means.
    pub mark: Option<(f64, &'a str)>,
}

impl Bars<'_> {
    /// Draws them.
    pub fn draw(&self, path: &Path) -> Result<()> {
        let rows = i32::try_from(self.rows.len())?;
        let height = TOP + rows * ROW + 16;
        let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
        let root = SVGBackend::new(path, size).into_drawing_area();
        root.fill(&WHITE)?;
        let most = self.rows.iter().map(|bar| bar.beyond.unwrap_or(bar.length)).fold(0.0, f64::max);
        let columns = self.rows.iter().map(|bar| bar.figures.len()).max().unwrap_or(0);
        let end = WIDTH - 20 - COLUMN * i32::try_from(columns)?;
        #[expect(clippy::cast_possible_truncation, reason = "a place in a picture")]
        let place = |length: f64| NAMES + (length / most * f64::from(end - NAMES)) as i32;
        root.draw(&Text::new(self.title, (16, 16), style(20, INK, HPos::Left).bold()))?;
        root.draw(&Text::new(self.subtitle, (16, 42), style(13, FAINT, HPos::Left)))?;
        for quarter in 1..=4 {
            let x = place(most * f64::from(quarter) / 4.0);
            root.draw(&PathElement::new([(x, TOP - 4), (x, height - 12)], GRID))?;
        }
        for (index, bar) in (0..).zip(&self.rows) {
            let (top, middle) = (TOP + index * ROW + 4, TOP + index * ROW + ROW / 2);
            let bottom = top + ROW - 8;
            let whole = place(bar.beyond.unwrap_or(bar.length));
            root.draw(&Text::new(bar.name.as_str(), (NAMES - 10, middle), style(13, INK, HPos::Right)))?;
            if bar.beyond.is_some() {
                root.draw(&Rectangle::new([(NAMES, top), (whole, bottom)], bar.colour.mix(0.3).filled()))?;
            }
            root.draw(&Rectangle::new([(NAMES, top), (place(bar.length), bottom)], bar.colour.filled()))?;
            if let Some(most) = bar.most {
                let x = place(most);
                root.draw(&PathElement::new([(x, top - 3), (x, bottom + 3)], INK.stroke_width(2)))?;
            }
            for (column, figure) in (1..).zip(&bar.figures) {
                let right = end + column * COLUMN;
                root.draw(&Text::new(figure.as_str(), (right, middle), style(13, INK, HPos::Right)))?;
            }
        }
        if let Some((at, meaning)) = self.mark {
            let x = place(at);
            root.draw(&PathElement::new([(x, TOP - 4), (x, height - 12)], RED.stroke_width(1)))?;
            root.draw(&Text::new(meaning, (x, TOP - 14), style(12, RED, HPos::Center)))?;
        }
        root.present()?;
        Ok(())
    }
}

/// Centred on its line.
pub fn style(size: u32, colour: RGBColor, horizontal: HPos) -> Style {
    Style { size, colour, horizontal, bold: false }
}

/// How text looks.
pub struct Style {
    size: u32,
    colour: RGBColor,
    horizontal: HPos,
    bold: bool,
}

impl Style {
    /// Heavier.
    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }
}

impl From<Style> for TextStyle<'_> {
    fn from(style: Style) -> Self {
        let weight = if style.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = ("sans-serif", style.size).into_font().style(weight).color(&style.colour);
        font.pos(Pos::new(style.horizontal, VPos::Center))
    }
}
