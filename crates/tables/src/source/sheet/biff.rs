//! The records of BIFF8, which an old workbook's stream consists of (\[MS-XLS\] 2.1.4): a kind, a length, data; what is
//! too long for one goes on in those that follow it.

use crate::problems::Problems;

/// A record that goes on with the one before it.
const CONTINUE: u16 = 0x003c;

/// A record and what comes after it.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) kind: u16,
    data: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first of a stream; `None` at its end.
    ///
    /// # Errors
    /// Where the stream ends within it.
    pub(super) fn first(stream: &'a [u8]) -> Result<Option<Self>, Problems> {
        let Some((head, rest)) = stream.split_first_chunk::<4>() else {
            return if stream.is_empty() { Ok(None) } else { Err(cut_off()) };
        };
        let [kind, length] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_le_bytes);
        let (data, rest) = rest.split_at_checked(usize::from(length)).ok_or_else(cut_off)?;
        Ok(Some(Self { kind, data, rest }))
    }

    /// The one after it.
    pub(super) fn next(self) -> Result<Option<Self>, Problems> {
        Self::first(self.rest)
    }

    /// Its fields, those in the records that go on with it included.
    pub(super) fn fields(self) -> Fields<'a> {
        Fields { part: self.data, rest: self.rest }
    }
}

pub(super) fn cut_off() -> Problems {
    super::unreadable("it ends in the middle")
}

/// The values of a record, one after another.
pub(super) struct Fields<'a> {
    part: &'a [u8],
    rest: &'a [u8],
}

impl Fields<'_> {
    /// Goes on in the next record, if it belongs to this one.
    fn go_on(&mut self) -> Result<(), Problems> {
        match Record::first(self.rest)? {
            Some(next) if next.kind == CONTINUE => {
                (self.part, self.rest) = (next.data, next.rest);
                Ok(())
            }
            _ => Err(super::unreadable("a record is shorter than what it tells of")),
        }
    }

    /// Bytes of this record that are left.
    pub(super) fn left(&self) -> usize {
        self.part.len()
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Problems> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            while self.part.is_empty() {
                self.go_on()?;
            }
            (*byte, self.part) = (self.part[0], &self.part[1..]);
        }
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Problems> {
        self.take().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Problems> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problems> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn eight(&mut self) -> Result<[u8; 8], Problems> {
        self.take()
    }

    pub(super) fn skip(&mut self, mut bytes: usize) -> Result<(), Problems> {
        while bytes > 0 {
            while self.part.is_empty() {
                self.go_on()?;
            }
            let here = bytes.min(self.part.len());
            self.part = &self.part[here..];
            bytes -= here;
        }
        Ok(())
    }

    /// A text with its formats (`XLUnicodeRichExtendedString`), and so one without them; how many characters it has
    /// was read before.
    pub(super) fn text(&mut self, characters: usize) -> Result<String, Problems> {
        const WIDE: u8 = 1;
        let mut flags = self.u8()?;
        let runs = if flags & 8 == 0 { 0 } else { usize::from(self.u16()?) };
        let phonetic = if flags & 4 == 0 { 0 } else { self.u32()? as usize };
        let mut units: Vec<u16> = Vec::with_capacity(characters.min(self.part.len()));
        while units.len() < characters {
            while self.part.is_empty() {
                // Each part says anew how wide its characters are.
                self.go_on()?;
                flags = self.u8()?;
            }
            let left = characters - units.len();
            if flags & WIDE == 0 {
                let here = left.min(self.part.len());
                units.extend(self.part[..here].iter().copied().map(u16::from));
                self.part = &self.part[here..];
            } else {
                let whole = left.min(self.part.len() / 2);
                let (here, after) = self.part.split_at(whole * 2);
                units.extend(here.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])));
                self.part = after;
                if whole == 0 {
                    return Err(super::unreadable("a character is cut in two"));
                }
            }
        }
        self.skip(runs * 4)?;
        self.skip(phonetic)?;
        Ok(String::from_utf16_lossy(&units))
    }
}
