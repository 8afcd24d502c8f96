//! Who wrote an issue.

use super::{Issue, store};
use crate::directory::PersonId;
use crate::store::{StoreError, Tx};

/// Everybody who wrote any of what an issue says now: whoever gave it this content, and the authors of
/// the submissions in it. In no particular order, each once.
pub async fn authors(tx: &mut Tx, issue: &Issue) -> Result<Vec<PersonId>, StoreError> {
    let mut list: Vec<PersonId> = issue.author.iter().cloned().collect();
    for item in issue.content.pieces.iter().filter_map(|p| p.item) {
        let author = store::author_of_item(tx, item).await?;
        list.extend(author.filter(|a| !list.contains(a)));
    }
    Ok(list)
}
