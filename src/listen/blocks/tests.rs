use super::*;

/// RFC 7541, Appendix C.4: requests in Huffman's code, and the table's size after each.
const REQUESTS: [(&str, u32); 3] = [
    ("828684418cf1e3c2e5f23a6ba0ab90f4ff", 57),
    ("828684be5886a8eb10649cbf", 110),
    ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", 164),
];
/// Appendix C.6: responses, with a table of 256 bytes.
const RESPONSES: [(&str, u32); 3] = [
    (
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        222,
    ),
    ("4883640effc1c0bf", 222),
    (
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        215,
    ),
];
/// `/p#x` and `/p>x` in Huffman's code.
const CODED: ([u8; 4], [u8; 4]) = ([0x62, 0xbf, 0xfa, 0xf3], [0x62, 0xbf, 0xfb, 0xf3]);

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// One block in a frame of its own, in pieces of `step` bytes.
fn pass(blocks: &mut Blocks, block: &[u8], step: usize) -> Vec<u8> {
    let mut passed = block.to_vec();
    blocks.begin(true, 0, block.len() as u32);
    passed.chunks_mut(step).for_each(|piece| blocks.pass(piece));
    passed
}

#[test]
fn the_table_is_as_large_as_the_rfc_says_and_what_is_no_path_stays_as_it_is() {
    for (size_max, blocks) in [(TABLE_BYTES, REQUESTS), (256, RESPONSES)] {
        for step in 1..90 {
            let mut seen = Blocks::default();
            seen.table.resize(size_max);
            for (hex, size) in blocks {
                assert_eq!(pass(&mut seen, &bytes(hex), step), bytes(hex));
                assert_eq!(seen.table.size, size, "{hex} by {step}");
                assert!(matches!(seen.state, State::Field), "{hex} by {step}");
            }
        }
    }
}

fn text(text: &[u8], coded: bool) -> Vec<u8> {
    let mut said = vec![text.len() as u8 | if coded { 0x80 } else { 0 }];
    said.extend_from_slice(text);
    said
}

/// Every way to say `:path` with a value, kept in the table or not.
fn said(value: &[u8]) -> Vec<Vec<u8>> {
    let mut ways = Vec::new();
    for place in [0x44, 0x45, 0x04, 0x05, 0x14, 0x15] {
        ways.push([&[place], value].concat());
    }
    for literal in [0x40, 0x00, 0x10] {
        ways.push([&[literal][..], &text(PATH, false), value].concat());
        ways.push([&[literal][..], &text(PATH_IN_HUFFMAN, true), value].concat());
    }
    ways
}

#[test]
fn a_number_sign_in_a_path_becomes_what_no_target_has_however_it_is_said_and_cut() {
    let values = [
        (text(b"/p#x", false), text(b"/p>x", false)),
        (text(&CODED.0, true), text(&CODED.1, true)),
        (text(b"##", false), text(b">>", false)),
    ];
    for (value, expected) in values {
        for (way, expected) in said(&value).into_iter().zip(said(&expected)) {
            for step in 1..=way.len() {
                let mut blocks = Blocks::default();
                // What was learnt before: an entry that is no path, and one that is.
                pass(&mut blocks, &[&[0x40][..], &text(b"a", false), &text(b"#", false)].concat(), step);
                pass(&mut blocks, &[&[0x44][..], &text(b"/", false)].concat(), step);
                assert_eq!(pass(&mut blocks, &way, step), expected, "{way:x?} by {step}");
            }
        }
        // By the name of an entry: the newest is a path, the one before it is not.
        for (place, expected) in [(0x7e, &expected), (0x7f, &value)] {
            let mut blocks = Blocks::default();
            pass(&mut blocks, &[&[0x40][..], &text(b"a", false), &text(b"#", false)].concat(), 1);
            pass(&mut blocks, &[&[0x44][..], &text(b"/", false)].concat(), 1);
            let place: &[u8] = if place == 0x7e { &[0x7e] } else { &[0x7f, 0x00] };
            let (way, expected) = ([place, &value].concat(), [place, expected].concat());
            assert_eq!(pass(&mut blocks, &way, 3), expected, "{way:x?}");
        }
    }
}

#[test]
fn an_entry_too_large_for_the_table_leaves_it_empty() {
    let mut blocks = Blocks::default();
    pass(&mut blocks, &[&[0x44][..], &text(b"/", false)].concat(), 1);
    // A value of 5,000 bytes.
    let large = [&[0x40][..], &text(b"a", false), &[0x7f, 0x89, 0x26], &[b'#'; 5000]].concat();
    assert_eq!(pass(&mut blocks, &large, 999), large);
    assert_eq!((blocks.table.size, blocks.table.entries.len()), (0, 0));
    let second = [&[0x40][..], &text(b"b", false), &text(b"#", false)].concat();
    pass(&mut blocks, &second, 7);
    // The newest is `b` and no path.
    let way = [&[0x7e][..], &text(b"/#", false)].concat();
    assert_eq!(pass(&mut blocks, &way, 7), way);
}

#[test]
fn padding_and_priority_are_no_part_of_a_block_and_a_block_may_be_cut_into_frames() {
    let path = [&[0x04][..], &text(b"/#", false)].concat();
    let frame = [&[3, 0, 0, 0, 1, 0x10][..], &path, b"##\x04"].concat();
    let mut passed = frame.clone();
    let mut blocks = Blocks::default();
    blocks.begin(true, PADDED | PRIORITY, frame.len() as u32);
    blocks.pass(&mut passed);
    assert_eq!(passed, [&[3, 0, 0, 0, 1, 0x10][..], b"\x04\x02/>", b"##\x04"].concat());
    let (mut first, mut second) = (path[..3].to_vec(), path[3..].to_vec());
    blocks.begin(true, 0, 3);
    blocks.pass(&mut first);
    // The same flags mean nothing there.
    blocks.begin(false, PADDED | PRIORITY, 1);
    blocks.pass(&mut second);
    assert_eq!([first, second].concat(), b"\x04\x02/>");
}

#[test]
fn an_integer_longer_than_hyper_takes_ends_the_look() {
    let mut blocks = Blocks::default();
    pass(&mut blocks, &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x00], 1);
    assert!(matches!(blocks.state, State::Lost));
    let mut blocks = Blocks::default();
    pass(&mut blocks, &[0xff, 0x80, 0x80, 0x80, 0x00], 1);
    assert!(matches!(blocks.state, State::Field));
}
