//! The frame of the long connection as the platform writes it: protobuf by hand, written for the
//! simulator alone, so that the adapter's own codec is checked against something else than itself.

/// A frame; see feishu.md 3.3 for the numbers of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pb {
    pub seq_id: u64,
    pub log_id: u64,
    pub service: i32,
    pub method: i32,
    pub headers: Vec<(String, String)>,
    pub payload: Option<Vec<u8>>,
    pub log_id_new: Option<String>,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Fixed 32 or 64 bits, which no field of ours has.
    Other,
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(head)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl Pb {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, 1, self.seq_id);
        number(&mut out, 2, self.log_id);
        number(&mut out, 3, i64::from(self.service) as u64);
        number(&mut out, 4, i64::from(self.method) as u64);
        for (key, value) in &self.headers {
            let mut header = Vec::new();
            bytes(&mut header, 1, key.as_bytes());
            bytes(&mut header, 2, value.as_bytes());
            bytes(&mut out, 5, &header);
        }
        if let Some(payload) = &self.payload {
            bytes(&mut out, 8, payload);
        }
        if let Some(id) = &self.log_id_new {
            bytes(&mut out, 9, id.as_bytes());
        }
        out
    }

    /// `Err` names what is wrong, for a complaint.
    pub fn read(wire: &[u8]) -> Result<Self, &'static str> {
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).map_err(|_| "a string that is not UTF-8");
        let mut frame = Self::default();
        let mut seen = [false; 5];
        let mut reader = Reader(wire);
        while !reader.0.is_empty() {
            let (field, value) = reader.field().ok_or("it ends inside a field")?;
            if let Some(mark) = usize::try_from(field).ok().and_then(|f| seen.get_mut(f)) {
                *mark = true;
            }
            match (field, value) {
                (1, Value::Number(n)) => frame.seq_id = n,
                (2, Value::Number(n)) => frame.log_id = n,
                (3, Value::Number(n)) => frame.service = n as i32,
                (4, Value::Number(n)) => frame.method = n as i32,
                (5, Value::Bytes(inner)) => {
                    let (mut key, mut value) = (None, None);
                    let mut inner = Reader(inner);
                    while !inner.0.is_empty() {
                        match inner.field().ok_or("a header ends inside a field")? {
                            (1, Value::Bytes(b)) => key = Some(text(b)?),
                            (2, Value::Bytes(b)) => value = Some(text(b)?),
                            _ => {}
                        }
                    }
                    let header = key.zip(value).ok_or("a header without key or value")?;
                    frame.headers.push(header);
                }
                (8, Value::Bytes(b)) => frame.payload = Some(b.to_vec()),
                (9, Value::Bytes(b)) => frame.log_id_new = Some(text(b)?),
                _ => {}
            }
        }
        if seen.iter().skip(1).all(|s| *s) {
            Ok(frame)
        } else {
            Err("a required field is missing")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    #[test]
    fn it_reads_and_writes_what_was_recorded() {
        let vectors: Json = serde_json::from_str(include_str!("../../tests/vectors/ws_frames.json")).unwrap();
        for case in vectors["frames"].as_array().unwrap() {
            let wire = hex::decode(case["hex"].as_str().unwrap()).unwrap();
            let frame = Pb::read(&wire).unwrap();
            assert_eq!(frame.write(), wire, "{}", case["name"]);
            assert_eq!(frame.log_id.to_string(), case["fields"]["LogID"], "{}", case["name"]);
        }
        for case in vectors["invalid"].as_array().unwrap() {
            let wire = hex::decode(case["hex"].as_str().unwrap()).unwrap();
            assert_eq!(Pb::read(&wire).is_ok(), case["node"] == "accepted", "{}", case["name"]);
        }
        let negative = Pb {
            service: -7,
            method: 1,
            ..Pb::default()
        };
        assert_eq!(Pb::read(&negative.write()), Ok(negative));
    }
}
