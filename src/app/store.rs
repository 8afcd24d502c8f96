//! Facts of this installation that are made once and kept.

use hutong_model::{Secret, Timestamp};
use rand::Rng as _;

use crate::store::{Store, StoreError};

/// The key that signs buttons: drawn at the first start, the same for all replicas.
pub(super) async fn signing_key(store: &Store, now: Timestamp) -> Result<Secret, StoreError> {
    draw(store, "signing_key", now).await
}

/// The key under which e-mail addresses and mobile numbers are kept as hashes, see `directory::contact`.
pub(super) async fn contact_key(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    draw(store, "contact_key", now).await.map(|_| ())
}

async fn draw(store: &Store, name: &'static str, now: Timestamp) -> Result<Secret, StoreError> {
    let mut bytes = [0u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    store
        .query("INSERT INTO setting (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(hex::encode(bytes))
        .bind(now)
        .execute()
        .await?;
    let row = store
        .query("SELECT value FROM setting WHERE name = $1")
        .bind(name)
        .one()
        .await?;
    Ok(Secret::new(row.get::<String>("value")?))
}
