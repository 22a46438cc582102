//! Numbers as differences in blocks (DELTA_BINARY_PACKED): how many there are, which they are, and where they end. The
//! library reads them too, but makes room for as many as the block says.

/// The numbers, one after another. `None` ends them, also where they break off.
pub(super) struct Delta<'a> {
    bytes: &'a [u8],
    /// Numbers of a miniblock, and miniblocks of a block.
    each: usize,
    count: usize,
    left: u64,
    /// The number that is next, as long as one is left.
    number: i64,
    least: i64,
    /// Bits of the numbers of each miniblock that is still to come in this block.
    widths: std::vec::IntoIter<u8>,
    /// The present miniblock's bytes, its width, and which of its numbers comes next.
    mini: (&'a [u8], u8, usize),
    broken: bool,
}

impl<'a> Delta<'a> {
    /// `None` where there are more than `most`, or it is not how such numbers begin.
    pub(super) fn new(mut bytes: &'a [u8], most: u64) -> Option<Self> {
        let (block, count, left) = (take(&mut bytes)?, take(&mut bytes)?, take(&mut bytes)?);
        let number = zigzag(take(&mut bytes)?);
        let each = block.checked_div(count)?;
        // A page of the longest blocks that are written has 128 KiB of them.
        let fits = left <= most && each > 0 && each.is_multiple_of(32) && block <= 1 << 20;
        let (each, count) = (each as usize, count as usize);
        let mini = (&bytes[..0], 0, each);
        let widths = Vec::new().into_iter();
        fits.then_some(Self { bytes, each, count, left, number, least: 0, widths, mini, broken: false })
    }

    /// What follows the numbers, once all were taken.
    pub(super) fn rest(&self) -> Option<&'a [u8]> {
        (!self.broken && self.left == 0).then_some(self.bytes)
    }

    fn difference(&mut self) -> Option<i64> {
        if self.mini.2 == self.each {
            if self.widths.len() == 0 {
                self.least = zigzag(take(&mut self.bytes)?);
                let (widths, rest) = self.bytes.split_at_checked(self.count)?;
                (self.widths, self.bytes) = (Vec::from(widths).into_iter(), rest);
            }
            let width = self.widths.next().filter(|width| *width <= 64)?;
            let (packed, rest) = self.bytes.split_at_checked(self.each * usize::from(width) / 8)?;
            (self.mini, self.bytes) = ((packed, width, 0), rest);
        }
        let (packed, width, place) = self.mini;
        self.mini.2 += 1;
        let from = place * usize::from(width);
        let bit = |at: usize| u64::from(packed[at / 8] >> (at % 8) & 1);
        let packed = (0..usize::from(width)).fold(0, |number, at| number | bit(from + at) << at);
        Some(self.least.wrapping_add(packed.cast_signed()))
    }
}

impl Iterator for Delta<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        let number = self.number;
        if self.left > 0 {
            match self.difference() {
                Some(difference) => self.number = number.wrapping_add(difference),
                None => (self.left, self.broken) = (0, true),
            }
        }
        Some(number)
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut each = bytes.iter().copied();
    let number = unsigned(&mut each)?;
    *bytes = &bytes[bytes.len() - each.len()..];
    Some(number)
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// A number in groups of seven bits, the lowest first.
pub(super) fn unsigned(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
