//! Panels of lines side by side.

use std::path::Path;

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::element::{Circle, Text};
use plotters::prelude::{DrawingArea, IntoDrawingArea as _, SVGBackend};
use plotters::series::LineSeries;
use plotters::style::text_anchor::HPos;
use plotters::style::{Color as _, RGBColor, WHITE};

use super::bars::style;
use super::{FAINT, GRID, INK};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 340;

/// One line.
pub struct Line {
    /// In the panel's legend.
    pub name: &'static str,
    /// Its colour.
    pub colour: RGBColor,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// Lines over one amount.
pub struct Panel {
    /// The amount.
    pub title: &'static str,
    /// Whether the amount grows tenfold from one mark to the next.
    pub tenfold: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Draws panels below a title.
pub fn draw(title: &str, panels: &[Panel], path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title, (16, 18), style(20, INK, HPos::Left).bold()))?;
    let (_, below) = root.split_vertically(40);
    for (area, panel) in below.split_evenly((1, panels.len())).iter().zip(panels) {
        draw_panel(area, panel)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel) -> Result<()> {
    let place = |amount: f64| if panel.tenfold { amount.log10() } else { amount };
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let last = points().map(|(x, _)| place(*x)).fold(0.0, f64::max);
    let highest = points().map(|(_, y)| *y).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(46)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last * 1.02, 0.0..highest * 1.25)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(WHITE)
        .axis_style(FAINT)
        .x_desc(panel.title)
        .x_labels(5)
        .y_labels(6)
        .label_style(("sans-serif", 12, &FAINT))
        .axis_desc_style(("sans-serif", 13, &INK))
        .x_label_formatter(&|mark| if panel.tenfold { power_of_ten(*mark) } else { short(*mark) })
        .y_label_formatter(&|mark| if highest < 20.0 { format!("{mark:.1}") } else { format!("{mark:.0}") })
        .draw()?;
    for line in &panel.lines {
        let points: Vec<_> = line.points.iter().map(|(x, y)| (place(*x), *y)).collect();
        chart.draw_series(LineSeries::new(points.iter().copied(), line.colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, line.colour.filled())))?;
    }
    for (row, line) in (0..).zip(&panel.lines) {
        let at = (72, 22 + row * 17);
        area.draw(&Circle::new(at, 4, line.colour.filled()))?;
        area.draw(&Text::new(line.name, (at.0 + 10, at.1), style(12, INK, HPos::Left)))?;
    }
    Ok(())
}

/// `100` at 2; nothing between the powers.
fn power_of_ten(mark: f64) -> String {
    if (mark - mark.round()).abs() < 1e-6 { short(10_f64.powf(mark)) } else { String::new() }
}

/// 10k for 10,000.
fn short(amount: f64) -> String {
    if amount >= 1_000.0 { format!("{:.0}k", amount / 1_000.0) } else { format!("{amount:.0}") }
}
