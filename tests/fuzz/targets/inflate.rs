//! Every compressor around session values, each with its bound on the output.
#![no_main]

use cloakroom::codec::inflate::{self, Compression};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    use Compression::{Gzip, Lz4, Lzma, Zlib, Zstd};
    for compression in [Gzip, Lz4, Lzma, Zlib, Zstd] {
        cloakroom_fuzz::inflate(input, |input, limits| inflate::read(compression, input, limits));
    }
    // A bare block says nowhere how long it is; the first two bytes play the part of what does.
    if let Some((declared, block)) = input.split_first_chunk() {
        let declared = usize::from(u16::from_be_bytes(*declared));
        cloakroom_fuzz::inflate(block, |block, limits| inflate::lz4_block(block, declared, limits));
    }
});
