use std::fmt;

use svidgate_jwt_svid::{SpiffeId, TrustDomain};

/// Which SPIFFE IDs a rule means: compared segment by segment on the parsed ID, the trust domain by equality
/// (checklist P9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdPattern {
    trust_domain: TrustDomain,
    segments: Vec<Option<String>>,
    below: bool,
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}", self.trust_domain)?;
        for segment in &self.segments {
            write!(f, "/{}", segment.as_deref().unwrap_or("*"))?;
        }
        if self.below { f.write_str("/**") } else { Ok(()) }
    }
}

impl IdPattern {
    /// Reads `spiffe://example.org/ns/*/sa/web`: `*` stands for exactly one segment, `**` at the end for one or more.
    ///
    /// # Errors
    /// What would be right. A pattern without a path would mean a trust domain, not a workload; say that with
    /// `trust_domains`, or with `/**`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("spiffe://").ok_or("must begin with `spiffe://`, in lower case")?;
        let (domain, path) =
            rest.split_once('/').ok_or("names a trust domain, not a workload; a path is needed")?;
        let trust_domain = TrustDomain::parse(domain).map_err(|error| error.to_string())?;
        let (below, path) = match path.strip_suffix("**") {
            Some("") => (true, None),
            Some(path) => {
                (true, Some(path.strip_suffix('/').ok_or("`**` must be a whole segment at the end")?))
            }
            None => (false, Some(path)),
        };
        let segments: Vec<_> = path
            .into_iter()
            .flat_map(|path| path.split('/'))
            .map(|segment| (segment != "*").then(|| segment.to_owned()))
            .collect();
        let literal: Vec<_> = segments.iter().map(|segment| segment.as_deref().unwrap_or("any")).collect();
        let example = format!(
            "spiffe://{trust_domain}/{}",
            if literal.is_empty() { "any".to_owned() } else { literal.join("/") }
        );
        if segments.iter().flatten().any(|segment| segment.contains('*')) {
            return Err("`*` stands for a whole segment, `**` only at the end".to_owned());
        }
        SpiffeId::parse(&example).map_err(|error| error.to_string())?;
        Ok(Self { trust_domain, segments, below })
    }

    /// The one trust domain of the IDs that it means.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Whether the ID is one of those meant.
    #[must_use]
    pub fn matches(&self, id: &SpiffeId) -> bool {
        if *id.trust_domain() != self.trust_domain {
            return false;
        }
        let mut segments = id.segments();
        let prefix = self.segments.iter().all(|pattern| {
            segments.next().is_some_and(|segment| pattern.as_ref().is_none_or(|literal| literal == segment))
        });
        prefix && segments.next().is_some() == self.below
    }
}

#[cfg(test)]
mod tests {
    use svidgate_jwt_svid::SpiffeId;

    use super::IdPattern;

    #[test]
    fn p09_ids_are_matched_segment_by_segment_and_trust_domains_by_equality() {
        let cases = [
            ("spiffe://a.test/x", "spiffe://a.test/x", true),
            ("spiffe://a.test/x", "spiffe://a.test/x/y", false),
            ("spiffe://a.test/x", "spiffe://b.test/x", false),
            ("spiffe://a.test/x", "spiffe://sub.a.test/x", false),
            ("spiffe://a.test/x", "spiffe://a.test/X", false),
            ("spiffe://a.test/ns/*/sa/web", "spiffe://a.test/ns/n1/sa/web", true),
            ("spiffe://a.test/ns/*/sa/web", "spiffe://a.test/ns/n1/n2/sa/web", false),
            ("spiffe://a.test/ns/*/sa/web", "spiffe://a.test/ns/n1/sa/web2", false),
            ("spiffe://a.test/ns/*", "spiffe://a.test/ns", false),
            ("spiffe://a.test/ns/**", "spiffe://a.test/ns/a/b/c", true),
            ("spiffe://a.test/ns/**", "spiffe://a.test/ns", false),
            ("spiffe://a.test/ns/**", "spiffe://a.test/nsx/a", false),
            ("spiffe://a.test/**", "spiffe://a.test/any/thing", true),
            ("spiffe://a.test/**", "spiffe://a.test", false),
            ("spiffe://a.test/**", "spiffe://b.test/any", false),
        ];
        for (pattern, id, expected) in cases {
            let found = IdPattern::parse(pattern).unwrap().matches(&SpiffeId::parse(id).unwrap());
            assert_eq!(found, expected, "{pattern} {id}");
        }
    }

    #[test]
    fn p03_wildcards_in_places_where_they_mean_nothing_are_errors() {
        for pattern in [
            "",
            "*",
            "spiffe://*/x",
            "spiffe://a.test",
            "spiffe://a.test/",
            "spiffe://a.test/a*",
            "spiffe://a.test/**/x",
            "spiffe://a.test/x/",
            "Spiffe://a.test/x",
            "spiffe://A.test/x",
            "spiffe://a.test/x/../y",
            "spiffe://a.test/x**",
            "spiffe://a.test/***",
            "spiffe://a.test/x%2fy",
        ] {
            assert!(IdPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
