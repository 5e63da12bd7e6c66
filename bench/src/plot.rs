//! The plot: a bar of instructions for each subject, as SVG.

use std::fmt::Write as _;

use crate::Results;
use crate::instructions::Cost;
use crate::subjects::{Kind, REFERENCE};

const WIDTH: f64 = 960.0;
/// The position at which bars begin. Names end before it.
const LEFT: f64 = 310.0;
/// The position at which the longest bar ends. Figures are to the right of it.
const RIGHT: f64 = 820.0;
const TOP: f64 = 76.0;
const ROW: f64 = 27.0;

const INK: &str = "#1f2937";
const FAINT: &str = "#6b7280";
const RED: &str = "#dc2626";

/// Draws the instructions of all subjects.
pub fn costs(results: &Results) -> String {
    let costs: Vec<&Cost> = results.costs.iter().filter(|cost| !cost.runs.is_empty()).collect();
    let most = costs.iter().map(|cost| cost.median()).fold(0.0, f64::max);
    let place = |instructions: f64| LEFT + instructions / most * (RIGHT - LEFT);
    let mut body = String::new();
    let mut draw = |element: String| body = std::mem::take(&mut body) + "  " + &element + "\n";
    draw(text(
        16.0,
        20.0,
        "20px",
        INK,
        "start",
        "<tspan font-weight=\"bold\">Instructions of the whole Envoy for one request, thousands</tspan>",
    ));
    let legend = "grey: Envoy itself; orange: other ways to extend it; blue: this filter, with a tick at what was promised";
    draw(text(16.0, 46.0, "13px", FAINT, "start", legend));
    let mut y = TOP;
    for cost in &costs {
        let colour = match cost.kind {
            Kind::Envoy => "#9ca3af",
            Kind::Other => "#d97706",
            Kind::Ours => "#2563eb",
        };
        let baseline = y + 18.0;
        draw(text(LEFT - 10.0, baseline, "13px", INK, "end", &cost.name));
        let width = place(cost.median()) - LEFT;
        draw(format!(
            r#"<rect x="{LEFT}" y="{:.0}" width="{width:.1}" height="19" fill="{colour}"/>"#,
            y + 4.0
        ));
        if let Some((bound, reference)) = cost.bound.zip(results.cost(REFERENCE)) {
            draw(line(place(reference.median() * bound), y + 1.0, y + 26.0, INK, 2));
        }
        draw(text(RIGHT + 62.0, baseline, "13px", INK, "end", &format!("{:.0}", cost.median() / 1000.0)));
        let ratio = results.ratio(cost.median()).map_or_else(String::new, |ratio| format!("{ratio:.2}×"));
        draw(text(WIDTH - 16.0, baseline, "13px", INK, "end", &ratio));
        y += ROW;
    }
    if let Some(reference) = results.cost(REFERENCE).filter(|cost| !cost.runs.is_empty()) {
        let x = place(reference.median());
        draw(line(x, TOP - 2.0, y + 2.0, RED, 1));
        draw(text(x, TOP - 8.0, "12px", RED, "middle", "stateful_session = 1×"));
    }
    let height = y + 16.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\">\n"
    );
    let _ = writeln!(svg, "  <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>");
    svg + &body + "</svg>\n"
}

fn text(x: f64, y: f64, size: &str, colour: &str, anchor: &str, text: &str) -> String {
    format!(
        r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{text}</text>"#
    )
}

fn line(x: f64, from: f64, to: f64, colour: &str, width: u32) -> String {
    format!(
        r#"<line x1="{x:.1}" y1="{from:.1}" x2="{x:.1}" y2="{to:.1}" stroke="{colour}" stroke-width="{width}"/>"#
    )
}
