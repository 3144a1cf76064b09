//! Where a time axis has its numbers, and how these are written.

use crate::time::clock::NS_PER_S;

/// What two numbers are apart: 1, 2 or 5 of a decimal unit below a minute, and parts of an hour or day above.
const STEPS_S: [i64; 20] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/// The times on an axis with room for so many, each with its text.
pub(super) fn ticks(from_ns: i64, to_ns: i64, most: usize) -> Vec<(i64, String)> {
    let step_ns = step((to_ns.saturating_sub(from_ns) / most.max(1) as i64).max(1));
    let first = from_ns.div_euclid(step_ns) + i64::from(from_ns.rem_euclid(step_ns) != 0);
    let times = (first..).map_while(|place| place.checked_mul(step_ns)).take_while(|&at_ns| at_ns < to_ns);
    times.take(most.saturating_mul(2)).map(|at_ns| (at_ns, text(at_ns, step_ns))).collect()
}

/// The shortest step that is at least so long.
fn step(least_ns: i64) -> i64 {
    let mut unit_ns = 1;
    while unit_ns < NS_PER_S {
        for step_ns in [unit_ns, 2 * unit_ns, 5 * unit_ns] {
            if step_ns >= least_ns {
                return step_ns;
            }
        }
        unit_ns *= 10;
    }
    let fits = STEPS_S.into_iter().map(|step_s| step_s * NS_PER_S).find(|&step_ns| step_ns >= least_ns);
    // Weeks, for captures of years.
    let week_ns = 604_800 * NS_PER_S;
    fits.unwrap_or_else(|| week_ns.saturating_mul(least_ns / week_ns + 1))
}

/// `1.25 s`, `0:12:30`, `3d 04:00`: as much as the step needs.
pub fn text(at_ns: i64, step_ns: i64) -> String {
    let sign = if at_ns < 0 { "-" } else { "" };
    let ns = at_ns.unsigned_abs();
    let second_ns = NS_PER_S.unsigned_abs();
    let (whole_s, rest_ns) = (ns / second_ns, ns % second_ns);
    let digits = (0..9).find(|&digits| step_ns % 10_i64.pow(9 - digits) == 0).unwrap_or(9) as usize;
    let rest = if digits == 0 {
        String::new()
    } else {
        format!(".{}", format!("{rest_ns:09}").get(..digits).unwrap_or_default())
    };
    let (days, hours, minutes, seconds) = (whole_s / 86_400, whole_s / 3600 % 24, whole_s / 60 % 60, whole_s % 60);
    if days > 0 {
        format!("{sign}{days}d {hours:02}:{minutes:02}:{seconds:02}{rest}")
    } else if whole_s >= 60 || step_ns >= 60 * NS_PER_S {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}{rest}")
    } else {
        format!("{sign}{seconds}{rest} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_in_any_zoom() {
        let texts = |from_ns, to_ns| ticks(from_ns, to_ns, 5).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(0, 10 * NS_PER_S), ["0 s", "2 s", "4 s", "6 s", "8 s"]);
        assert_eq!(texts(1_200_000_000, 1_700_000_000), ["1.2 s", "1.3 s", "1.4 s", "1.5 s", "1.6 s"]);
        assert_eq!(texts(0, 600 * NS_PER_S), ["0:00:00", "0:02:00", "0:04:00", "0:06:00", "0:08:00"]);
        assert_eq!(texts(0, 7 * 86_400 * NS_PER_S)[1], "2d 00:00:00");
        assert_eq!(texts(0, 3), ["0.000000000 s", "0.000000001 s", "0.000000002 s"]);
        for (from_ns, to_ns) in [(0, i64::MAX), (i64::MIN, i64::MAX), (i64::MAX - 1, i64::MAX), (0, 1)] {
            assert!(ticks(from_ns, to_ns, 5).len() <= 10);
        }
    }
}
