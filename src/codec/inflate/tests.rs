use super::*;
use crate::codec::shown::hex;

/// `cloakroom ` thirty times, by Python 3.11's gzip, lzma (xz with django-redis's preset, and alone) and zlib, lz4 1.9 and
/// zstd 1.5.
const STREAMS: [(Compression, &str); 7] = [
    (Compression::Gzip, "1f8b08000000000002034bcec94fcc2ecacfcf55481e6511600100266c82ad2c010000"),
    (Compression::Lz4, "04224d186440a715000000af636c6f616b726f6f6d200a00ff0b50726f6f6d200000000002a4045f"),
    (
        Compression::Lzma,
        "fd377a585a000004e6d6b4460200210114000000ffe7ec09e0012b00115d00319b0a41f544e536a937fbfcd24d8bf800000000001d50c82a08864f9400012dac020000002978b967b1c467fb020000000004595a",
    ),
    (Compression::Lzma, "5d00008000ffffffffffffffff00319b0a41f544e536a937fbfcd24e1a08a3ffffbd340000"),
    (Compression::Zlib, "789c4bcec94fcc2ecacfcf55481e6511600100f84a7513"),
    (Compression::Zstd, "28b52ffd00588d000050636c6f616b726f6f6d2001001f550b12"),
    (Compression::Zstd, "28b52ffd04588d000050636c6f616b726f6f6d2001001f550b129ef2b7b6"),
];

fn with_bytes(bytes: usize) -> Limits {
    Limits { bytes, ..Limits::default() }
}

#[test]
fn one_byte_more_than_the_limit_is_refused_in_every_compression() {
    for (compression, stream) in STREAMS {
        let error = read(compression, &hex(stream), with_bytes(299)).unwrap_err();
        let at_limit = matches!(error.fault, Fault::LengthExceeded { available: 299, .. });
        assert!(at_limit, "{compression:?}: {error}");
    }
}

#[test]
fn bytes_behind_a_stream_are_refused_where_the_writers_library_refuses_them() {
    for (compression, stream) in STREAMS {
        let followed = [hex(stream), b"x".to_vec()].concat();
        let strict = matches!(compression, Compression::Gzip | Compression::Zstd);
        let found = read(compression, &followed, Limits::default());
        assert_eq!(found.is_err(), strict, "{compression:?}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    // 50 MB of zeros in each.
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zlib, &vec![0; 50_000_000]).unwrap();
    let lz4 = {
        let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut frame, &vec![0; 50_000_000]).unwrap();
        frame.finish().unwrap()
    };
    for (compression, bomb) in [(Compression::Zlib, zlib.finish().unwrap()), (Compression::Lz4, lz4)] {
        let error = read(compression, &bomb, Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "a length of 262145 where 262144 are possible at byte 0");
    }
}

#[test]
fn a_zstd_window_beyond_the_limit_is_refused_by_its_header() {
    // Frame header: no content size, window descriptor 0x88 = 2^27 bytes.
    let error = read(Compression::Zstd, &hex("28b52ffd0088010000"), Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "not a zstd frame at byte 0");
}

#[test]
fn a_declared_block_longer_than_the_limit_is_refused_before_it_is_allocated() {
    let error = lz4_block(b"\x10a", usize::MAX, Limits::default()).unwrap_err();
    assert!(matches!(error.fault, Fault::LengthExceeded { .. }));
    assert!(lz4_block(b"\x10a", 2, Limits::default()).is_err());
    assert_eq!(lz4_block(b"\x10a", 1, Limits::default()), Ok(b"a".to_vec()));
}

#[test]
fn a_stream_cut_anywhere_never_inflates_to_something_else() {
    for (compression, stream) in STREAMS {
        let stream = hex(stream);
        for cut in 0..stream.len() {
            // xz and lz4 end in an index or a mark that adds nothing; what comes out early must still be all of it.
            if let Ok(output) = read(compression, &stream[..cut], Limits::default()) {
                assert_eq!(output, b"cloakroom ".repeat(30), "{compression:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn plain_text_is_no_stream_in_any_compression() {
    for (compression, _) in STREAMS {
        assert!(
            read(compression, b"{\"_auth_user_id\": \"42\"}", Limits::default()).is_err(),
            "{compression:?}"
        );
        assert!(read(compression, b"", Limits::default()).is_err(), "{compression:?}");
    }
}

#[test]
fn every_compression_inflates_to_exactly_what_went_in() {
    for (compression, stream) in STREAMS {
        let output = read(compression, &hex(stream), with_bytes(300)).unwrap();
        assert_eq!(output, b"cloakroom ".repeat(30), "{compression:?}");
    }
}

proptest::proptest! {
    #[test]
    fn mutated_streams_never_panic_and_never_exceed_the_limit(
        which in 0_usize..STREAMS.len(),
        at in 0_usize..400,
        byte: u8,
    ) {
        let (compression, stream) = STREAMS[which];
        let mut stream = hex(stream);
        let at = at % stream.len();
        stream[at] = byte;
        if let Ok(output) = read(compression, &stream, with_bytes(1000)) {
            proptest::prop_assert!(output.len() <= 1000);
        }
    }
}
