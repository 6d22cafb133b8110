//! Content-codings undone (RFC 9110 §8.4), to the last byte and within limits. What is forwarded is always
//! the body as sent; this is for looking only.

use super::{BodyError, Limits};
use brotli_decompressor::reader::StandardAlloc;
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState};
use http::HeaderValue;
use http::header::GetAll;
use std::borrow::Cow;
use std::io::{self, Read};

/// A body without its codings.
#[derive(Debug)]
pub(super) struct Plain<'b> {
    pub(super) bytes: Cow<'b, [u8]>,
    /// It came in several gzip members or zstd frames: some readers stop behind the first one.
    pub(super) in_pieces: bool,
}

/// Undoes all codings that the fields name, last first. Borrows when there is none.
pub(super) fn undo<'b>(
    fields: GetAll<'_, HeaderValue>,
    bytes: &'b [u8],
    limits: Limits,
) -> Result<Plain<'b>, BodyError> {
    let mut layers = Vec::new();
    for field in fields {
        let list = field.to_str().map_err(|_| BodyError::UnknownCoding("not ASCII".to_owned()))?;
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            layers.extend(Layer::of(name)?);
        }
    }
    undo_layers(layers, bytes, limits)
}

/// Undoes one coding by its name. Borrows for `identity`. What some readers would leave before its end is refused.
pub(super) fn undo_named<'b>(
    name: &str,
    bytes: &'b [u8],
    limits: Limits,
) -> Result<Cow<'b, [u8]>, BodyError> {
    let plain = undo_layers(Layer::of(name)?.into_iter().collect(), bytes, limits)?;
    if plain.in_pieces { Err(BodyError::Coding("one piece")) } else { Ok(plain.bytes) }
}

fn undo_layers(layers: Vec<Layer>, bytes: &[u8], limits: Limits) -> Result<Plain<'_>, BodyError> {
    if layers.len() > LAYERS_MAX {
        return Err(BodyError::Layers);
    }
    if bytes.len() > limits.decoded_bytes_max {
        return Err(BodyError::TooLarge(limits.decoded_bytes_max));
    }
    let mut plain = Plain { bytes: Cow::Borrowed(bytes), in_pieces: false };
    for layer in layers.into_iter().rev() {
        let (undone, in_pieces) = layer.undo(&plain.bytes, bytes.len(), limits)?;
        plain = Plain { bytes: Cow::Owned(undone), in_pieces: plain.in_pieces || in_pieces };
    }
    Ok(plain)
}

/// Whether bytes that no label calls compressed are so all the same. gzip and zstd begin with what is no text;
/// a zlib stream (`x^…`) can be written in letters alone.
pub(super) fn is_text_in_zlib(bytes: &[u8]) -> bool {
    is_zlib(bytes)
        && io::copy(&mut flate2::read::ZlibDecoder::new(bytes).take(SNIFF_BYTES), &mut io::sink()).is_ok()
}

#[derive(Debug, Clone, Copy)]
enum Layer {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Layer {
    /// The coding of a name; `identity` is none.
    fn of(name: &str) -> Result<Option<Self>, BodyError> {
        match name.to_ascii_lowercase().as_str() {
            "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            "br" => Ok(Some(Self::Brotli)),
            "zstd" => Ok(Some(Self::Zstd)),
            other => Err(BodyError::UnknownCoding(other.chars().take(NAME_CHARS_SHOWN).collect())),
        }
    }

    /// The bytes, and whether they came in several pieces.
    fn undo(self, coded: &[u8], sent: usize, limits: Limits) -> Result<(Vec<u8>, bool), BodyError> {
        match self {
            Self::Gzip => {
                // All members; junk behind the last one is an error, because some servers stop there.
                let plain = read_within(flate2::bufread::MultiGzDecoder::new(coded), "gzip", sent, limits)?;
                let mut behind = coded;
                let first = flate2::bufread::GzDecoder::new(&mut behind);
                read_within(first, "gzip", sent, limits)?;
                Ok((plain, !behind.is_empty()))
            }
            Self::Deflate if is_zlib(coded) => {
                // The name means zlib (RFC 9110 §8.4.1.2); bare deflate is sent and read by many under it.
                let mut decoder = flate2::read::ZlibDecoder::new(coded);
                let plain = read_within(&mut decoder, "deflate", sent, limits)?;
                whole(decoder.total_in(), coded, "deflate")?;
                if read_within(flate2::read::DeflateDecoder::new(coded), "deflate", sent, limits).is_ok() {
                    return Err(BodyError::Coding("deflate in one way only"));
                }
                Ok((plain, false))
            }
            Self::Deflate => {
                let mut decoder = flate2::read::DeflateDecoder::new(coded);
                let plain = read_within(&mut decoder, "deflate", sent, limits)?;
                whole(decoder.total_in(), coded, "deflate").map(|()| (plain, false))
            }
            Self::Brotli => read_within(Brotli::new(coded), "br", sent, limits).map(|plain| (plain, false)),
            Self::Zstd => {
                const BROKEN: BodyError = BodyError::Coding("zstd");
                let mut decoder = zstd::stream::read::Decoder::new(coded).map_err(|_| BROKEN)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|_| BROKEN)?;
                let plain = read_within(decoder, "zstd", sent, limits)?;
                let first = zstd::zstd_safe::find_frame_compressed_size(coded).map_err(|_| BROKEN)?;
                Ok((plain, first != coded.len()))
            }
        }
    }
}

/// The crate's own reader does not say whether bytes follow the end of the stream; this one refuses them.
struct Brotli<'b> {
    coded: &'b [u8],
    offset: usize,
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    done: bool,
}

impl<'b> Brotli<'b> {
    fn new(coded: &'b [u8]) -> Self {
        let alloc = StandardAlloc::default;
        Self { coded, offset: 0, state: BrotliState::new_strict(alloc(), alloc(), alloc()), done: false }
    }
}

impl Read for Brotli<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.done || out.is_empty() {
            return Ok(0);
        }
        let (mut in_left, mut out_left) = (self.coded.len() - self.offset, out.len());
        let (mut written, mut total) = (0, 0);
        let result = BrotliDecompressStream(
            &mut in_left,
            &mut self.offset,
            self.coded,
            &mut out_left,
            &mut written,
            out,
            &mut total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultSuccess if in_left == 0 => self.done = true,
            BrotliResult::NeedsMoreOutput if written > 0 => {}
            BrotliResult::ResultSuccess
            | BrotliResult::ResultFailure
            | BrotliResult::NeedsMoreInput
            | BrotliResult::NeedsMoreOutput => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(written)
    }
}

/// Reads to the end, or to the limit of size or ratio, whichever comes first.
fn read_within(
    decoder: impl Read,
    name: &'static str,
    sent: usize,
    limits: Limits,
) -> Result<Vec<u8>, BodyError> {
    // Lists of the same thing compress by more than any honest ratio of a large body.
    let by_ratio = sent.saturating_mul(limits.ratio_max).max(RATIO_FREE_BYTES);
    let most = by_ratio.min(limits.decoded_bytes_max);
    let mut plain = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(bound).read_to_end(&mut plain).map_err(|_| BodyError::Coding(name))?;
    if plain.len() <= most {
        Ok(plain)
    } else if by_ratio < limits.decoded_bytes_max {
        Err(BodyError::Ratio(limits.ratio_max))
    } else {
        Err(BodyError::TooLarge(limits.decoded_bytes_max))
    }
}

fn whole(consumed: u64, coded: &[u8], name: &'static str) -> Result<(), BodyError> {
    if u64::try_from(coded.len()) == Ok(consumed) { Ok(()) } else { Err(BodyError::Coding(name)) }
}

/// RFC 1950 §2.2: method 8, and the two header bytes divide by 31.
fn is_zlib(coded: &[u8]) -> bool {
    match coded {
        [cmf, flags, ..] => cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0,
        _ => false,
    }
}

/// Nobody means well with more.
pub(super) const LAYERS_MAX: usize = 2;
/// 8 MiB, the most that a decoder must support (RFC 8878 §3.1.1.1.2).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Of what may be a zlib stream so many bytes must come out, or all.
const SNIFF_BYTES: u64 = 256;
const RATIO_FREE_BYTES: usize = 64 << 10;
const NAME_CHARS_SHOWN: usize = 40;
