//! The ratios as a bar chart.

use std::fmt::Write as _;

use super::Outcome;
use super::rows::Floor;

/// Of the names, of the bars, and of the figures behind them.
const NAMES: f64 = 210.0;
const BARS: f64 = 520.0;
const FIGURES: f64 = 130.0;
const LINE: f64 = 20.0;
const HEAD: f64 = 58.0;

/// What the bars reach from and to, as powers of two.
const LEAST: f64 = -2.0;
const MOST: f64 = 4.0;

/// A bar for each row, from 1 to how many times as good ours is as theirs; longer to the right is better.
pub(crate) fn svg(results: &[Outcome]) -> String {
    let (width, height) = (
        NAMES + BARS + FIGURES,
        HEAD + LINE * results.len() as f64 + 10.0,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
        <title>Flows against the runtimes' own streams</title>\n\
        <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
        <text x=\"8\" y=\"18\" font-size=\"14\">How many times as good ours is as theirs: median, least and most of paired rounds</text>\n\
        <text x=\"8\" y=\"34\" fill=\"#666\">To the right of 1 ours is better. Black marks are floors.</text>\n"
    );
    for power in LEAST as i32..=MOST as i32 {
        let (at, value) = (x(2f64.powi(power)), 2f64.powi(power));
        let (colour, bottom) = (if power == 0 { "#333" } else { "#ddd" }, height - 8.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{HEAD}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\
            <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\">{value}</text>",
            HEAD - 6.0
        );
    }
    for (at, result) in results.iter().enumerate() {
        bar(&mut svg, HEAD + LINE * at as f64, result);
    }
    svg + "</svg>\n"
}

fn bar(svg: &mut String, top: f64, result: &Outcome) {
    let Outcome { row, ratio, .. } = result;
    // Of costs the part that theirs is of ours, so that more is better in all bars.
    let cost = row.unit().is_cost();
    let good = |value: f64| if cost { 1.0 / value } else { value };
    let (from, to) = (x(1.0), x(good(ratio.median)));
    let (least, most) = (x(good(ratio.min)), x(good(ratio.max)));
    let colour = match (row.floor.is_some(), result.holds()) {
        (_, false) => "#c0392b",
        (true, true) => "#2e7d4f",
        (false, _) => "#7a93b0",
    };
    let (middle, base) = (top + LINE / 2.0, top + LINE / 2.0 + 4.0);
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>\
        <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
        <line x1=\"{least:.1}\" x2=\"{most:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#000\" stroke-opacity=\".5\"/>",
        NAMES - 8.0,
        row.name,
        from.min(to),
        top + 4.0,
        (from - to).abs(),
        LINE - 8.0,
    );
    if let Some(Floor::Least(floor, _) | Floor::Most(floor, _)) = row.floor {
        let floor = x(good(floor));
        let _ = writeln!(
            svg,
            "<line x1=\"{floor:.1}\" x2=\"{floor:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#000\" stroke-width=\"2\"/>",
            top + 2.0,
            top + LINE - 2.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{base:.1}\">{:.2} {}</text>",
        NAMES + BARS + 8.0,
        good(ratio.median),
        result.word()
    );
}

/// Where a ratio stands: as far to the right for twice as good as to the left for half as good.
fn x(ratio: f64) -> f64 {
    let power = ratio.log2().clamp(LEAST, MOST);
    NAMES + BARS * (power - LEAST) / (MOST - LEAST)
}
