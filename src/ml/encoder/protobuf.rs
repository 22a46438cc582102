//! The protobuf wire format, as much of it as ONNX and SentencePiece files need.
//!
//! <https://protobuf.dev/programming-guides/encoding/>: a message is a run of fields, each a key
//! (field number and wire type) and a value.

/// One field's value as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// int32, int64, bool, enum.
    Varint(u64),
    /// double, fixed64.
    Fixed64,
    /// string, bytes, embedded message, packed repeated field.
    Bytes(&'a [u8]),
    /// float, fixed32.
    Fixed32([u8; 4]),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(crate) fn varint(self) -> Option<u64> {
        if let Self::Varint(number) = self { Some(number) } else { None }
    }

    pub(crate) fn float(self) -> Option<f32> {
        if let Self::Fixed32(bytes) = self { Some(f32::from_le_bytes(bytes)) } else { None }
    }

    /// A repeated integer field: one value, or several packed into one.
    pub(crate) fn varints(self) -> Option<Vec<u64>> {
        match self {
            Self::Varint(number) => Some(vec![number]),
            Self::Bytes(mut bytes) => {
                let mut numbers = Vec::new();
                while !bytes.is_empty() {
                    numbers.push(varint(&mut bytes)?);
                }
                Some(numbers)
            }
            _ => None,
        }
    }
}

/// The fields of a message in the order of the file, or `None` where the bytes are no message.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => take(&mut bytes, 8).map(|_| Value::Fixed64)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            5 => Value::Fixed32(take(&mut bytes, 4)?.try_into().ok()?),
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// A message that is being written, field by field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// int32, int64, bool, enum; a negative number takes ten bytes.
    #[must_use]
    pub(crate) fn integer(mut self, field: u64, number: i64) -> Self {
        self.key(field, 0);
        self.varint(number.cast_unsigned());
        self
    }

    #[must_use]
    pub(crate) fn float(mut self, field: u64, number: f32) -> Self {
        self.key(field, 5);
        self.0.extend(number.to_le_bytes());
        self
    }

    /// string, bytes.
    #[must_use]
    pub(crate) fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self = self.length(field, bytes.as_ref().len() as u64);
        self.0.extend(bytes.as_ref());
        self
    }

    #[must_use]
    pub(crate) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// The beginning of a field of bytes, `length` of which the caller writes behind this message.
    #[must_use]
    pub(crate) fn length(mut self, field: u64, length: u64) -> Self {
        self.key(field, 2);
        self.varint(length);
        self
    }

    /// The fields of another message behind these.
    #[must_use]
    pub(crate) fn then(mut self, other: &Self) -> Self {
        self.0.extend(&other.0);
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Message::default().integer(1, -1);
        let message =
            Message::default().integer(1, 150).bytes(20, "文").float(3, -0.5).message(4, &inner).bytes(5, vec![7; 300]);
        let fields = fields(message.as_bytes()).unwrap();
        assert_eq!(fields.iter().map(|field| field.0).collect::<Vec<_>>(), [1, 20, 3, 4, 5]);
        assert_eq!(fields[0].1.varint(), Some(150));
        assert_eq!(fields[1].1.text(), Some("文"));
        assert_eq!(fields[2].1.float(), Some(-0.5));
        let inner = super::fields(fields[3].1.bytes().unwrap()).unwrap();
        assert_eq!(inner[0].1.varint(), Some(u64::MAX), "-1 as 64 bits");
        assert_eq!(fields[4].1.bytes(), Some(&[7; 300][..]));
    }

    #[test]
    fn bytes_may_be_written_behind_their_length() {
        let mut bytes = Message::default().length(9, 3).as_bytes().to_vec();
        bytes.extend([1, 2, 3]);
        assert_eq!(bytes, Message::default().bytes(9, [1, 2, 3]).as_bytes());
    }

    #[test]
    fn a_message_is_read_field_by_field() {
        // field 1 varint 150, field 2 "testing", field 3 packed [3, 270], field 4 float 1.0
        let bytes =
            [&[0x08, 0x96, 0x01][..], &[0x12, 7], b"testing", &[0x1a, 3, 3, 0x8e, 2], &[0x25, 0, 0, 0x80, 0x3f]]
                .concat();
        let fields = fields(&bytes).unwrap();
        assert_eq!(fields[0].1.varint(), Some(150));
        assert_eq!(fields[1].1.text(), Some("testing"));
        assert_eq!(fields[2].1.varints(), Some(vec![3, 270]));
        assert_eq!(fields[3].1.float(), Some(1.0));
    }

    #[test]
    fn a_cut_message_is_no_message() {
        assert!(fields(&[0x12, 7, b't']).is_none());
        assert!(fields(&[0x08, 0xff]).is_none());
    }
}
