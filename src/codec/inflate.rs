//! Decompression of session values, bounded before it begins.
//!
//! A few kilobytes can inflate to gigabytes, so the output is read through a window of [`Limits::bytes`] and one byte more
//! is already an error; what the libraries allocate for themselves follows the output, save lz4 and zstd, whose windows
//! a header declares and which are held to [`WINDOW_BYTES_MAX`]. Bytes behind the stream are ignored for zlib, lzma and lz4
//! and refused for gzip and zstd, as Python's modules do; phpredis refuses them for zstd too.

use crate::codec::{Cursor, DecodeError, Fault, Limits};
use std::io::{ErrorKind, Read};

/// Largest window a zstd stream may ask for, in bytes: what RFC 8878 §3.1.1.1.2 tells every decoder to support. Only zstd's
/// `--ultra` levels ask for more.
pub const WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Largest dictionary an xz stream may name, in KiB: that of `xz -9`, and a little for the decoder itself. Only as much of it
/// is allocated as output comes.
const DICTIONARY_KIB_MAX: u32 = 66 * 1024;

/// Room for a usual session, so that its output is not copied from buffer to buffer as it grows.
const OUTPUT_BYTES: usize = 2048;

/// A compression that some session store uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The LZ4 frame format.
    Lz4,
    /// xz, or the older `.lzma`, whichever its first bytes say (Python's `FORMAT_AUTO`).
    Lzma,
    /// RFC 1950.
    Zlib,
    /// RFC 8878.
    Zstd,
}

/// What `input` inflates to.
///
/// # Errors
/// [`Fault::Malformed`] if this is not such a stream or its checksum is wrong, [`Fault::Truncated`] if it ends early,
/// [`Fault::LengthExceeded`] if the output would be longer than `limits.bytes`.
pub fn read(compression: Compression, input: &[u8], limits: Limits) -> Result<Vec<u8>, DecodeError> {
    match compression {
        Compression::Gzip => gzip(input, limits),
        Compression::Lz4 => {
            let frame = lz4_frame(input)?;
            bounded(lz4_flex::frame::FrameDecoder::new(frame), "not an lz4 frame", limits)
        }
        Compression::Lzma => lzma(input, limits),
        Compression::Zlib => bounded(flate2::bufread::ZlibDecoder::new(input), "not a zlib stream", limits),
        Compression::Zstd => zstd(input, limits),
    }
}

/// What a bare LZ4 block inflates to, where something outside it says how long that is (phpredis).
///
/// # Errors
/// As [`read`]; also if the block does not give exactly `declared` bytes.
pub fn lz4_block(input: &[u8], declared: usize, limits: Limits) -> Result<Vec<u8>, DecodeError> {
    if declared > limits.bytes {
        return Err(too_long(declared as u64, limits));
    }
    let mut output = vec![0; declared];
    match lz4_flex::block::decompress_into(input, &mut output) {
        Ok(length) if length == declared => Ok(output),
        Ok(_) | Err(_) => Err(at_start(Fault::Malformed("not an lz4 block of the length declared"))),
    }
}

/// The one frame that `input` begins with, to its end mark: the library takes an input that ends between two blocks for
/// whole. The older frames without an end mark are not taken.
fn lz4_frame(input: &[u8]) -> Result<&[u8], DecodeError> {
    let mut cursor = Cursor::new(input);
    if cursor.array()? != 0x184d_2204_u32.to_le_bytes() {
        return Err(at_start(Fault::Malformed("not an lz4 frame")));
    }
    let [flags, _] = cursor.array::<2>()?;
    let checksum = |bit: u8| usize::from(flags >> bit & 1) * 4;
    // Content size, dictionary id and the header's own checksum.
    cursor.take(checksum(3) * 2 + checksum(0) + 1)?;
    loop {
        let length = u32::from_le_bytes(cursor.array()?) & 0x7fff_ffff;
        if length == 0 {
            break;
        }
        cursor.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        cursor.take(checksum(4))?;
    }
    cursor.take(checksum(2))?;
    Ok(input.get(..cursor.offset()).unwrap_or_default())
}

fn gzip(input: &[u8], limits: Limits) -> Result<Vec<u8>, DecodeError> {
    let mut reader = flate2::bufread::GzDecoder::new(input);
    let output = bounded(&mut reader, "not a gzip stream", limits)?;
    alone(reader.into_inner(), output)
}

/// The output of a stream that nothing may follow.
fn alone(behind: &[u8], output: Vec<u8>) -> Result<Vec<u8>, DecodeError> {
    if behind.is_empty() { Ok(output) } else { Err(at_start(Fault::Malformed("more behind the stream"))) }
}

fn lzma(input: &[u8], limits: Limits) -> Result<Vec<u8>, DecodeError> {
    const NEITHER: &str = "neither an xz nor an lzma stream";
    if input.starts_with(b"\xfd7zXZ\0") {
        let reader = lzma_rust2::XzReader::new_mem_limit(input, false, DICTIONARY_KIB_MAX);
        return bounded(reader, NEITHER, limits);
    }
    let reader = lzma_rust2::LzmaReader::new_mem_limit(input, DICTIONARY_KIB_MAX, None)
        .map_err(|_| at_start(Fault::Malformed(NEITHER)))?;
    bounded(reader, NEITHER, limits)
}

fn zstd(input: &[u8], limits: Limits) -> Result<Vec<u8>, DecodeError> {
    const NOT: &str = "not a zstd frame";
    let malformed = || at_start(Fault::Malformed(NOT));
    // The window of a frame in one segment is its content: more than we read is refused before any of it is allocated.
    let window = WINDOW_BYTES_MAX.max(limits.bytes as u64);
    let mut behind = input;
    let mut reader = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(&mut behind, window)
        .map_err(|_| malformed())?;
    let declared = reader.decoder.content_size();
    if declared > limits.bytes as u64 {
        return Err(too_long(declared, limits));
    }
    let output = bounded(&mut reader, NOT, limits)?;
    let decoder = reader.into_frame_decoder();
    match (decoder.get_checksum_from_data(), decoder.get_calculated_checksum()) {
        (Some(written), Some(calculated)) if written != calculated => Err(malformed()),
        _ => alone(behind, output),
    }
}

/// Reads to the end, or to one byte past the limit.
fn bounded(reader: impl Read, what: &'static str, limits: Limits) -> Result<Vec<u8>, DecodeError> {
    let past = (limits.bytes as u64).saturating_add(1);
    let mut output = Vec::with_capacity(OUTPUT_BYTES.min(limits.bytes));
    match reader.take(past).read_to_end(&mut output) {
        Ok(_) if output.len() > limits.bytes => Err(too_long(past, limits)),
        Ok(_) => Ok(output),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(at_start(Fault::Truncated)),
        Err(_) => Err(at_start(Fault::Malformed(what))),
    }
}

fn too_long(declared: u64, limits: Limits) -> DecodeError {
    at_start(Fault::LengthExceeded { declared, available: limits.bytes as u64 })
}

const fn at_start(fault: Fault) -> DecodeError {
    DecodeError { offset: 0, fault }
}

#[cfg(test)]
mod tests;
