//! From drains with their apps to apps with their drains.

use crate::binding::{Binding, Credentials};
use crate::wire::DrainUrl;
use std::collections::BTreeMap;

/// Every app's bindings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    /// By app, and an app's by URL: a set that did not change is the same list, in whatever order
    /// it came.
    pub bindings: Vec<Binding>,
    /// Bindings that are not among them, since their apps have more than they may.
    pub cut_off: usize,
    /// Apps that have more than they may.
    pub apps_cut_off: usize,
}

/// Gives each app its drains. As upstream, an app's hostname is the last one that is seen, and of
/// its drains the first `per_app_limit` by URL are kept. Those that differ in nothing are one.
#[must_use]
pub fn by_app(list: &[DrainUrl], per_app_limit: usize) -> Grouped {
    let mut apps = BTreeMap::<&str, Drains<'_>>::new();
    for url in list {
        for grant in &url.credentials {
            for app in grant.apps() {
                let drains = apps.entry(&app.app_id).or_default();
                drains.hostname = &app.hostname;
                drains.bound.push((url, &grant.credentials));
            }
        }
    }
    let mut grouped = Grouped::default();
    for (app, drains) in apps {
        grouped.add(app, drains, per_app_limit);
    }
    grouped
}

/// An app's drains.
#[derive(Default)]
struct Drains<'l> {
    hostname: &'l str,
    bound: Vec<(&'l DrainUrl, &'l Credentials)>,
}

impl Grouped {
    fn add(&mut self, app: &str, drains: Drains<'_>, limit: usize) {
        let Drains {
            hostname,
            mut bound,
        } = drains;
        let parts = |(url, credentials): &(&DrainUrl, &Credentials)| {
            let (cert, key, ca) = (&credentials.cert, &credentials.key, &credentials.ca);
            [&url.url, cert, key, ca].map(|secret| secret.reveal().to_owned())
        };
        bound.sort_by_cached_key(parts);
        bound.dedup_by(|(url, one), (other_url, other)| url.url == other_url.url && one == other);
        let cut_off = bound.len().saturating_sub(limit);
        self.cut_off += cut_off;
        self.apps_cut_off += usize::from(cut_off > 0);
        let kept = bound.into_iter().take(limit);
        self.bindings.extend(kept.map(|(url, credentials)| Binding {
            url: url.url.clone(),
            credentials: credentials.clone(),
            app: Some(app.to_owned()),
            hostname: hostname.to_owned(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read;

    fn grouped(json: &str, limit: usize) -> Grouped {
        by_app(&read(json.as_bytes()).unwrap(), limit)
    }

    fn shown(grouped: &Grouped) -> Vec<(&str, &str, &str)> {
        let bindings = grouped.bindings.iter();
        let shown = bindings.map(|binding| {
            let app = binding.app.as_deref().unwrap();
            (app, binding.url.reveal(), binding.hostname.as_str())
        });
        shown.collect()
    }

    #[test]
    fn apps_have_their_drains_by_url_and_the_last_hostname() {
        let json = r#"[
            {"url":"z","credentials":[{"apps":[
                {"app_id":"b","hostname":"old"},{"app_id":"a","hostname":"of a"}]}]},
            {"url":"y","credentials":[{"apps":[{"app_id":"b","hostname":"new"}]}]}]"#;
        let grouped = grouped(json, 5);
        let expected = [("a", "z", "of a"), ("b", "y", "new"), ("b", "z", "new")];
        assert_eq!(shown(&grouped), expected);
        assert_eq!((grouped.cut_off, grouped.apps_cut_off), (0, 0));
    }

    #[test]
    fn what_is_cut_off_is_counted() {
        let drain =
            |url| format!(r#"{{"url":"{url}","credentials":[{{"apps":[{{"app_id":"a"}}]}}]}}"#);
        let json = format!("[{}]", ["4", "1", "3", "2"].map(drain).join(","));
        let grouped = grouped(&json, 2);
        assert_eq!(shown(&grouped), [("a", "1", ""), ("a", "2", "")]);
        assert_eq!((grouped.cut_off, grouped.apps_cut_off), (2, 1));
    }

    #[test]
    fn the_same_drain_twice_is_one_and_with_other_credentials_another() {
        let json = r#"[{"url":"u","credentials":[
            {"ca":"2","apps":[{"app_id":"a"},{"app_id":"a"}]},
            {"ca":"1","apps":[{"app_id":"a"}]},
            {"ca":"2","apps":[{"app_id":"a"}]}]}]"#;
        let grouped = grouped(json, 2);
        let authorities = grouped.bindings.iter();
        let authorities: Vec<_> = authorities
            .map(|binding| binding.credentials.ca.reveal())
            .collect();
        assert_eq!(authorities, ["1", "2"]);
        assert_eq!(grouped.cut_off, 0);
    }
}
