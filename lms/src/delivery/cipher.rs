//! Segments encrypted as HLS wants them (RFC 8216, 4.3.2.4): AES-128 in CBC mode with PKCS #7 padding. Pure.

use std::ops::Range;

use aes::cipher::array::Array;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

const BLOCK: u64 = 16;

/// How long what is this long becomes.
pub fn encrypted_len(bytes: u64) -> u64 {
    (bytes / BLOCK + 1) * BLOCK
}

/// The initialisation vector of the segment with this media sequence number.
pub fn iv(sequence: u32) -> [u8; 16] {
    u128::from(sequence).to_be_bytes()
}

/// Encrypts bytes as they come.
pub struct Cipher {
    chain: cbc::Encryptor<aes::Aes128>,
    /// What does not fill a block yet.
    rest: Vec<u8>,
}

impl Cipher {
    pub fn new(key: &[u8; 16], iv: &[u8; 16]) -> Self {
        Self { chain: cbc::Encryptor::new(&Array::from(*key), &Array::from(*iv)), rest: Vec::new() }
    }

    /// Takes bytes, and gives whole blocks.
    pub fn update(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.rest);
        out.extend_from_slice(bytes);
        self.rest = out.split_off(out.len() - out.len() % BLOCK as usize);
        self.encrypt(&mut out);
        out
    }

    /// The last block: what is left, and how much was missing to fill it.
    pub fn finish(mut self) -> Vec<u8> {
        let mut last = std::mem::take(&mut self.rest);
        let missing = BLOCK as usize - last.len();
        last.resize(BLOCK as usize, missing as u8);
        self.encrypt(&mut last);
        last
    }

    fn encrypt(&mut self, blocks: &mut [u8]) {
        for block in blocks.chunks_exact_mut(BLOCK as usize) {
            let block: &mut [u8; BLOCK as usize] = block.try_into().expect("chunks are blocks");
            self.chain.encrypt_block(block.into());
        }
    }
}

/// What `plain` becomes, or the wanted part of it. A chain has to be made from its beginning.
pub fn encrypt(
    plain: BoxStream<'static, std::io::Result<Bytes>>,
    cipher: Cipher,
    wanted: Option<Range<u64>>,
) -> BoxStream<'static, std::io::Result<Bytes>> {
    let wanted = wanted.unwrap_or(0..u64::MAX);
    let pieces = stream::try_unfold((plain, Some(cipher), 0), move |(mut plain, mut cipher, at)| {
        let wanted = wanted.clone();
        async move {
            if at >= wanted.end {
                return Ok(None);
            }
            let piece = match plain.next().await.transpose()? {
                Some(bytes) => cipher.as_mut().map(|cipher| cipher.update(&bytes)),
                None => cipher.take().map(Cipher::finish),
            };
            let Some(piece) = piece else { return Ok(None) };
            let end = at + piece.len() as u64;
            let from = wanted.start.clamp(at, end) - at;
            let to = wanted.end.clamp(at, end) - at;
            let piece = Bytes::from(piece).slice(from as usize..to as usize);
            Ok::<_, std::io::Error>(Some((piece, (plain, cipher, end))))
        }
    });
    pieces.filter(|piece| std::future::ready(!piece.as_ref().is_ok_and(Bytes::is_empty))).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockModeDecrypt;

    fn decrypt(key: &[u8; 16], iv: &[u8; 16], bytes: &[u8]) -> Vec<u8> {
        let mut chain = cbc::Decryptor::<aes::Aes128>::new(&Array::from(*key), &Array::from(*iv));
        let mut out = bytes.to_vec();
        for block in out.chunks_exact_mut(16) {
            let block: &mut [u8; 16] = block.try_into().unwrap();
            chain.decrypt_block(block.into());
        }
        let padding = usize::from(*out.last().unwrap());
        assert!((1..=16).contains(&padding) && out[out.len() - padding..].iter().all(|b| usize::from(*b) == padding));
        out.truncate(out.len() - padding);
        out
    }

    async fn whole(pieces: &[&[u8]], wanted: Option<Range<u64>>) -> Vec<u8> {
        let pieces: Vec<std::io::Result<Bytes>> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let encrypted = encrypt(stream::iter(pieces).boxed(), Cipher::new(&[7; 16], &iv(3)), wanted);
        encrypted.map(Result::unwrap).collect::<Vec<_>>().await.concat()
    }

    #[test]
    fn it_is_the_cipher_that_the_standard_means() {
        // NIST SP 800-38A, F.2.1: CBC-AES128, first block.
        let hex = |text: &str| -> [u8; 16] { std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()) };
        let mut cipher = Cipher::new(&hex("2b7e151628aed2a6abf7158809cf4f3c"), &hex("000102030405060708090a0b0c0d0e0f"));
        assert_eq!(cipher.update(&hex("6bc1bee22e409f96e93d7e117393172a")), hex("7649abac8119b246cee98e9b12e9197d"));
        assert_eq!(iv(258)[14..], [1, 2]);
    }

    #[tokio::test]
    async fn what_is_encrypted_in_pieces_is_decrypted_as_it_was() {
        let plain: Vec<u8> = (0..100u8).collect();
        for length in [0, 1, 15, 16, 17, 32, 100] {
            let plain = &plain[..length];
            for cut in [0, 1, 16, 20] {
                let (a, b) = plain.split_at(cut.min(length));
                let encrypted = whole(&[a, b], None).await;
                assert_eq!(encrypted.len() as u64, encrypted_len(length as u64));
                assert_eq!(decrypt(&[7; 16], &iv(3), &encrypted), plain, "{length} cut at {cut}");
            }
        }
    }

    #[tokio::test]
    async fn a_part_of_it_is_that_part() {
        let plain: Vec<u8> = (0..100u8).collect();
        let all = whole(&[&plain], None).await;
        for range in [0..1, 5..50, 16..32, 90..112, 111..112] {
            let part = whole(&[&plain[..33], &plain[33..]], Some(range.clone())).await;
            assert_eq!(part, all[range.start as usize..range.end as usize], "{range:?}");
        }
    }
}
