//! The wire format of protocol buffers: numbered fields, no names (protobuf.dev, "Encoding").

use crate::decode::protocol::Unread;

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<'b>(pub(super) &'b [u8]);

/// What stands in one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw<'b> {
    Varint(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    Bytes(&'b [u8]),
    /// Between its two tags.
    Group(&'b [u8]),
}

impl<'b> Wire<'b> {
    /// The next field; `None` at the end.
    ///
    /// # Errors
    /// No reader gets on from here.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Raw<'b>)>, Unread> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, kind) = self.tag()?;
        let raw = match kind {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Eight(self.array()?),
            2 => Raw::Bytes(self.delimited()?),
            3 => Raw::Group(self.group(number)?),
            5 => Raw::Four(self.array()?),
            _ => return Err(BROKEN.into()),
        };
        Ok(Some((number, raw)))
    }

    /// Seven bits a byte, the lowest first. One that is longer than it must be, or has more than 64 bits, ends in
    /// another place for some readers.
    pub(super) fn varint(&mut self) -> Result<u64, Unread> {
        let mut value = 0_u64;
        for at in 0..VARINT_BYTES_MAX {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f).checked_shl(7 * at).unwrap_or(0);
            if byte & 0x80 == 0 {
                let odd = (at > 0 && byte == 0) || (at + 1 == VARINT_BYTES_MAX && byte > 1);
                return if odd { Err(ODD.into()) } else { Ok(value) };
            }
        }
        Err(BROKEN.into())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unread> {
        let (array, rest) = self.0.split_first_chunk().ok_or(BROKEN)?;
        self.0 = rest;
        Ok(*array)
    }

    fn tag(&mut self) -> Result<(u32, u32), Unread> {
        let tag = u32::try_from(self.varint()?).map_err(|_| BROKEN)?;
        if tag >> 3 == 0 { Err(BROKEN.into()) } else { Ok((tag >> 3, tag & 7)) }
    }

    fn delimited(&mut self) -> Result<&'b [u8], Unread> {
        let length = usize::try_from(self.varint()?).map_err(|_| BROKEN)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// What stands before the end of this group; groups in it are skipped.
    fn group(&mut self, number: u32) -> Result<&'b [u8], Unread> {
        let whole = self.0;
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let before = self.0.len();
            let (number, kind) = self.tag()?;
            match kind {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.delimited()?),
                3 if open.len() < GROUPS_MAX => open.push(number),
                4 if number == innermost => {
                    open.pop();
                    if open.is_empty() {
                        return whole.get(..whole.len() - before).ok_or(BROKEN.into());
                    }
                }
                5 => drop(self.array::<4>()?),
                _ => return Err(BROKEN.into()),
            }
        }
        Err(BROKEN.into())
    }
}

/// Whether some reader could take the bytes for a message: fields follow one another to the end, of whatever number,
/// type and length. A few readers take long numbers otherwise than all others.
pub(super) fn could_be(bytes: &[u8]) -> bool {
    [Long::ReadOn, Long::Skipped].into_iter().any(|long| skip_all(bytes, long).is_some())
}

/// What is done with a number of more than five bytes, where 32 bits are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Long {
    ReadOn,
    /// Ten bytes are skipped, however many it has (protobuf.js).
    Skipped,
}

fn skip_all(bytes: &[u8], long: Long) -> Option<()> {
    let (mut rest, mut groups) = (bytes, 0_usize);
    while !rest.is_empty() {
        match loose_varint(&mut rest, long)? & 7 {
            0 => drop(loose_varint(&mut rest, Long::ReadOn)?),
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(loose_varint(&mut rest, long)?).ok()?;
                rest = rest.get(length..)?;
            }
            3 => groups += 1,
            4 => groups = groups.checked_sub(1)?,
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    (groups == 0).then_some(())
}

fn loose_varint(rest: &mut &[u8], long: Long) -> Option<u32> {
    let mut value = 0_u32;
    for (at, byte) in (0..VARINT_BYTES_MAX).zip(rest.iter()) {
        value |= u32::from(byte & 0x7f).checked_shl(7 * at).unwrap_or(0);
        let skipped = at == 4 && long == Long::Skipped;
        if byte & 0x80 == 0 || skipped {
            let passed = if byte & 0x80 == 0 { at + 1 } else { VARINT_BYTES_MAX };
            *rest = rest.get(usize::try_from(passed).ok()?..)?;
            return Some(value);
        }
    }
    None
}

pub(super) const ODD: &str = "a value in its message is written as no encoder writes one of its type, and servers read that in several ways";
pub(super) const BROKEN: &str = "its message is no protocol buffer";
const VARINT_BYTES_MAX: u32 = 10;
/// Groups in groups: each level is walked once more.
const GROUPS_MAX: usize = 10;
