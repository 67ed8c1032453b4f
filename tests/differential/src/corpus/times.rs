use super::Making;
use super::draft::set;

/// Times far enough from every edge that the clocks of two processes do not matter.
pub(super) fn times(making: &mut Making) {
    let claim = making.rng.pick(&["exp", "exp", "nbf", "iat"]);
    let offset = making.rng.choose(&[
        -1_600_000_000,
        -86_400,
        -3600,
        -300,
        -120,
        -90,
        -30,
        -15,
        15,
        30,
        90,
        120,
        300,
        3600,
        86_400,
        1_000_000_000,
    ]);
    let moment = making.now.cast_signed() + offset;
    let value = match making.rng.below(18) {
        0..9 => moment.to_string(),
        9 => format!("{moment}.0"),
        10 => format!("{moment}.5"),
        11 => format!("{moment}.123456789012345"),
        12 => format!("{}e-3", moment * 1000),
        13 => format!("{}.{:09}E9", moment / 1_000_000_000, moment % 1_000_000_000),
        14 => format!("\"{moment}\""),
        15 => format!("{}", moment * 1000),
        16 => format!("-{moment}"),
        _ => making
            .rng
            .pick(&[
                "0",
                "-0",
                "0.0",
                "1",
                "-1",
                "1e10",
                "1e11",
                "1e12",
                "1e18",
                "1e19",
                "1e300",
                "253402300799",
                "253402300800",
                "253402300799.5",
                "4294967296",
                "9007199254740993",
                "9223372036854775807",
                "9223372036854775808",
                "18446744073709551615",
                "18446744073709551616",
                "-9223372036854775808",
            ])
            .to_owned(),
    };
    making.name(format!("{claim}: {value} (now {offset:+})"));
    set(making.draft.claims_mut(), claim, value);
}

/// Times around the edge itself.
pub(super) fn to_the_second(making: &mut Making) {
    let claim = making.rng.pick(&["exp", "nbf", "iat"]);
    let offset = making.rng.choose(&[-2, -1, 0, 1, 2]);
    let moment = making.now.cast_signed() + offset;
    let value = match making.rng.below(4) {
        0 => format!("{moment}.001"),
        1 => format!("{moment}.999"),
        _ => moment.to_string(),
    };
    making.name(format!("{claim}: now {offset:+}"));
    set(making.draft.claims_mut(), claim, value);
}
