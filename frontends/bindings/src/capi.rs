//! The Cloud Controller's list of drains, page by page, as upstream's cache asks for it.

use crate::limits::{LIST_BYTES_MAX, PAGE_BYTES_MAX};
use crate::service::{FetchError, Service, ServiceConfig};
use crate::wire::{DrainUrl, Page};
use hydrant_http::client::HttpsError;
use std::time::Duration;

/// Asks the Cloud Controller.
#[derive(Debug)]
pub(crate) struct Capi {
    service: Service,
    batch_size: u32,
}

/// A page did not come; the round has come to nothing.
#[derive(Debug, thiserror::Error)]
#[error("failed to get page {page} from internal bindings endpoint: {error}")]
pub(crate) struct PageError {
    page: i64,
    error: FetchError,
}

impl Capi {
    /// Asks for `batch_size` bindings at a time, each page within `timeout`.
    pub(crate) fn new(
        config: &ServiceConfig,
        batch_size: u32,
        timeout: Duration,
    ) -> Result<Self, HttpsError> {
        let service = Service::new(config, PAGE_BYTES_MAX, timeout)?;
        Ok(Self {
            service,
            batch_size,
        })
    }

    /// All pages, or nothing.
    pub(crate) async fn list(&self) -> Result<Vec<DrainUrl>, PageError> {
        let (mut list, mut page, mut bytes_left) = (Vec::new(), 0, LIST_BYTES_MAX);
        loop {
            let read = self.page(page, &mut bytes_left).await;
            let read = read.map_err(|error| PageError { page, error })?;
            list.extend(read.results);
            if read.next_id == 0 {
                return Ok(list);
            }
            page = read.next_id;
        }
    }

    async fn page(&self, page: i64, bytes_left: &mut usize) -> Result<Page, FetchError> {
        let batch_size = self.batch_size;
        let query = format!("batch_size={batch_size}&next_id={page}");
        let path = format!("internal/v5/syslog_drain_urls?{query}");
        let body = self.service.get(&path).await?;
        let left = bytes_left.checked_sub(body.len());
        *bytes_left = left.ok_or(FetchError::TooLong(LIST_BYTES_MAX))?;
        let read = Page::read(&body)?;
        match read.next_id {
            next if next != 0 && next <= page => Err(FetchError::Circle { page, next }),
            _ => Ok(read),
        }
    }
}
