//! Dates in `Expires` attributes (RFC 6265, section 5.1.1).

use crate::session::Millis;

const MONTHS: [&[u8]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// The date, as browsers read it. `None` if browsers cannot read the text. Dates before 1970 count as 1970.
pub(crate) fn parse(text: &[u8]) -> Option<Millis> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let is_delimiter =
        |byte: &u8| matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~');
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        let number = || number(token);
        if time.is_none() && token.contains(&b':') {
            time = seconds_of_day(token);
        } else if day.is_none() && token.len() <= 2 && number().is_some() {
            day = number();
        } else if month.is_none() && month_of(token).is_some() {
            month = month_of(token);
        } else if year.is_none() && matches!(token.len(), 2 | 4) && number().is_some() {
            year = number().map(full_year);
        }
    }
    let (time, day, month, year) = (time?, day?, month?, year?);
    if !(1..=31).contains(&day) || year < 1601 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    Some(days.saturating_mul(86_400).saturating_add(time).saturating_mul(1000))
}

fn number(token: &[u8]) -> Option<u64> {
    let digits = token.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(token).ok().filter(|_| digits)?.parse().ok()
}

/// A year of two digits means 1970 to 2069.
const fn full_year(year: u64) -> u64 {
    match year {
        0..=69 => year.saturating_add(2000),
        70..=99 => year.saturating_add(1900),
        _ => year,
    }
}

/// January is 1.
fn month_of(token: &[u8]) -> Option<u64> {
    let name = token.get(..3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|month| *month == name)?;
    u64::try_from(index).ok()?.checked_add(1)
}

/// `hh:mm:ss`, one or two digits each.
fn seconds_of_day(token: &[u8]) -> Option<u64> {
    let mut parts = token.splitn(3, |byte| *byte == b':').map(number);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60)).saturating_add(seconds))
}

/// Days of the Gregorian calendar (Howard Hinnant, `days_from_civil`): March counts as the first month of a year, so
/// that a leap day is the last day of the year.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    const FROM_YEAR_0: u64 = 719_468;
    let year = if month > 2 { year } else { year.checked_sub(1)? };
    let month = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let day_of_year =
        month.checked_mul(153)?.checked_add(2)?.checked_div(5)?.checked_add(day)?.checked_sub(1)?;
    let leap_days =
        year.checked_div(4)?.checked_sub(year.checked_div(100)?)?.checked_add(year.checked_div(400)?)?;
    let days = year.checked_mul(365)?.checked_add(leap_days)?.checked_add(day_of_year)?;
    Some(days.saturating_sub(FROM_YEAR_0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read_as_browsers_read_them() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 01-Jan-1970 00:00:01 GMT", Some(1)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Sat, 29 Feb 2020 23:59:59 GMT", Some(1_583_020_799)),
            ("Sun, 29 Nov 2026 02:00:00 GMT", Some(1_795_917_600)),
            ("1 jan 70 0:0:0", Some(0)),
            ("Mon, 01 Jan 1900 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("", None),
            ("0", None),
            ("never", None),
            ("Thu, 01 Jan 1970", None),
            ("Thu, 32 Jan 1970 00:00:00 GMT", None),
            ("Thu, 01 Jan 1970 24:00:00 GMT", None),
            ("Thu, 01 Foo 1970 00:00:00 GMT", None),
        ] {
            assert_eq!(parse(text.as_bytes()), seconds.map(|seconds: u64| seconds * 1000), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_date_or_none(text in prop::collection::vec(any::<u8>(), 0..60)) {
            parse(&text);
        }
    }
}
