//! The calendar that dates in records are written in: proleptic Gregorian, no leap seconds, any year.

/// `2023-11-14T22:13:20` for so many seconds after 1970-01-01T00:00:00, without fraction or offset.
pub(crate) fn date_time(seconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    format!("{}T{:02}:{:02}:{:02}", date(day), second / 3600, second / 60 % 60, second % 60)
}

/// `2023-11-14` for so many days after 1970-01-01; the algorithm of Howard Hinnant's `civil_from_days`.
pub(crate) fn date(days: i64) -> String {
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if year < 0 {
        format!("-{:04}-{month:02}-{day:02}", year.unsigned_abs())
    } else {
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// `Z`, `+02:00` or `-03:30`; seconds, which hardly any zone has, are kept.
pub(crate) fn offset(seconds: i32) -> String {
    if seconds == 0 {
        return "Z".to_owned();
    }
    let (sign, by) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let rest = if by % 60 == 0 { String::new() } else { format!(":{:02}", by % 60) };
    format!("{sign}{:02}:{:02}{rest}", by / 3600, by / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_before_the_epoch_and_around_leap_days_are_right() {
        assert_eq!(date_time(0), "1970-01-01T00:00:00");
        assert_eq!(date_time(-1), "1969-12-31T23:59:59");
        assert_eq!(date_time(1_700_000_000), "2023-11-14T22:13:20");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(-62_135_596_800 / 86_400), "0001-01-01");
        assert_eq!(date(-719_529), "-0001-12-31");
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        for seconds in [i64::MIN, i64::MAX] {
            assert!(date_time(seconds).contains('T'));
        }
        for days in [i64::MIN, i64::MAX] {
            assert!(date(days).contains('-'));
        }
    }

    #[test]
    fn an_offset_keeps_its_sign_and_its_seconds() {
        assert_eq!(offset(0), "Z");
        assert_eq!(offset(7200), "+02:00");
        assert_eq!(offset(-12_600), "-03:30");
        assert_eq!(offset(-1172), "-00:19:32");
    }
}
