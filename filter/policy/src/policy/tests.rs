use super::{Call, Policy};
use crate::host::{Host, HostPattern};
use crate::path::{Oddities, Path, PathPattern};
use crate::rule::{Match, Requirement, Rule};

fn rule(hosts: &[&str], methods: &[&str], paths: &[&str]) -> Rule {
    Rule {
        name: "r".to_owned(),
        matches: Match {
            hosts: hosts.iter().map(|text| HostPattern::parse(text).unwrap()).collect(),
            methods: methods.iter().map(|&text| text.to_owned()).collect(),
            paths: paths.iter().map(|text| PathPattern::parse(text).unwrap()).collect(),
            ..Match::default()
        },
        require: Requirement::None,
        mode: None,
        admits: Oddities::default(),
        lets_preflights_pass: false,
    }
}

fn find(policy: &Policy, host: &str, method: &str, target: &str) -> Option<usize> {
    let (host, path) = (Host::parse(host).unwrap(), Path::parse(target).unwrap());
    policy.find(&Call { host: &host, method, path: Some(&path), mtls: false }).map(|(position, _)| position)
}

/// What the compiled form must agree with.
fn matches(rule: &Rule, host: &Host, method: &str, path: &Path) -> bool {
    let Match { hosts, methods, paths, .. } = &rule.matches;
    (hosts.is_empty() || hosts.iter().any(|pattern| pattern.matches(host)))
        && (methods.is_empty() || methods.iter().any(|m| m == method || (m == "GET" && method == "HEAD")))
        && (paths.is_empty() || paths.iter().any(|pattern| pattern.matches(path)))
}

#[test]
fn p01_the_first_match_decides_and_no_match_denies() {
    let policy = Policy::new(vec![
        rule(&["a.test"], &["POST"], &["/admin/**"]),
        rule(&["*.test"], &[], &["/admin/**", "/x"]),
        rule(&[], &["GET"], &["/{any}"]),
    ]);
    let cases = [
        ("a.test", "POST", "/admin/x", Some(0)),
        ("a.test", "GET", "/admin/x", Some(1)),
        ("A.test:443", "POST", "/%61dmin/", Some(0)),
        ("b.a.test", "POST", "/x", Some(1)),
        ("a.test.", "GET", "/x", Some(1)),
        ("a.other", "GET", "/x", Some(2)),
        ("a.other", "POST", "/x", None),
        ("a.other", "GET", "/x/y", None),
        ("test", "GET", "/admin", Some(2)),
    ];
    for (host, method, target, expected) in cases {
        assert_eq!(find(&policy, host, method, target), expected, "{method} {host} {target}");
    }
    assert_eq!(find(&Policy::new(Vec::new()), "a.test", "GET", "/"), None);
}

#[test]
fn p06_a_rule_that_names_get_covers_head_and_nothing_else() {
    let policy = Policy::new(vec![rule(&[], &["GET"], &[])]);
    assert_eq!(find(&policy, "a.test", "HEAD", "/"), Some(0));
    for method in ["OPTIONS", "POST", "get", "CONNECT", ""] {
        assert_eq!(find(&policy, "a.test", method, "/"), None, "{method}");
    }
}

#[test]
fn p07_grpc_methods_are_paths() {
    let policy =
        Policy::new(vec![rule(&[], &[], &["/pkg.Registry/Get"]), rule(&[], &[], &["/pkg.Registry/*"])]);
    assert_eq!(find(&policy, "a.test", "POST", "/pkg.Registry/Get"), Some(0));
    assert_eq!(find(&policy, "a.test", "POST", "/pkg.Registry/Put"), Some(1));
    assert_eq!(find(&policy, "a.test", "POST", "/pkg.registry/Get"), None);
}

/// The rules of 50 policies at random, which share literals and wildcards at every depth, and all paths of up to four
/// segments: wherever the walk is cut short, the first rule must not be behind the cut.
#[test]
fn branches_that_are_cut_never_hold_the_first_rule() {
    let mut seed: u64 = 7;
    let mut below = |bound: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % bound
    };
    let host = Host::parse("a.test").unwrap();
    let paths: Vec<Path> = (0..=4)
        .flat_map(|depth| (0..3_usize.pow(depth)).map(move |number| (depth, number)))
        .map(|(depth, number)| {
            let segment = |at| ["/a", "/b", "/x"][number / 3_usize.pow(at) % 3];
            Path::parse(&format!("/{}", (0..depth).map(segment).collect::<String>()).replace("//", "/"))
                .unwrap()
        })
        .collect();
    let mut decided = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let rules: Vec<Rule> = (0..30)
            .map(|_| {
                let segments: String = (0..below(5)).map(|_| ["/a", "/b", "/*"][below(3)]).collect();
                let pattern = match below(4) {
                    0 => format!("{segments}/**"),
                    _ if segments.is_empty() => "/".to_owned(),
                    _ => segments,
                };
                let hosts: [&[&str]; 3] = [&[], &["a.test"], &["*.test"]];
                let methods: [&[&str]; 3] = [&[], &["GET"], &["POST"]];
                rule(hosts[below(3)], methods[below(3)], &[&pattern])
            })
            .collect();
        let policy = Policy::new(rules.clone());
        for (path, method) in
            paths.iter().flat_map(|path| ["GET", "POST", "PUT"].map(|method| (path, method)))
        {
            let walked = rules.iter().position(|rule| matches(rule, &host, method, path));
            let found = policy.find(&Call { host: &host, method, path: Some(path), mtls: false });
            assert_eq!(found.map(|(at, _)| at), walked, "{method} {path} {rules:#?}");
            decided.insert(walked);
        }
    }
    assert!(decided.len() > 20 && decided.contains(&None), "{decided:?}");
}

#[test]
fn the_compiled_form_finds_what_a_walk_through_all_rules_finds() {
    let hosts: [&[&str]; 5] = [&[], &["a.test"], &["*.test"], &["b.a.test", "*.a.test"], &["a.test:8080"]];
    let methods: [&[&str]; 4] = [&[], &["GET"], &["POST", "PUT"], &["HEAD"]];
    let paths: [&[&str]; 7] = [&[], &["/"], &["/a"], &["/a/**"], &["/a/*/c", "/b"], &["/*/b"], &["/**"]];
    // Every order of three rules out of a changing selection.
    let all: Vec<Rule> = hosts
        .iter()
        .flat_map(|hosts| methods.iter().map(move |methods| (hosts, methods)))
        .flat_map(|(hosts, methods)| paths.iter().map(move |paths| rule(hosts, methods, paths)))
        .collect();
    let calls: Vec<(Host, &str, Path)> =
        ["a.test", "b.a.test", "x.y.a.test", "c.test", "other", "a.test:8080"]
            .iter()
            .flat_map(|host| ["GET", "HEAD", "POST", "DELETE"].map(|method| (*host, method)))
            .flat_map(|(host, method)| {
                ["/", "/a", "/a/b", "/a/b/c", "/b", "/x/b", "/x/y/z"]
                    .map(|target| (Host::parse(host).unwrap(), method, Path::parse(target).unwrap()))
            })
            .collect();
    let mut seed: u64 = 1;
    for _ in 0..300 {
        let rules: Vec<Rule> = (0..12)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                all[usize::try_from(seed >> 33).unwrap() % all.len()].clone()
            })
            .collect();
        let policy = Policy::new(rules.clone());
        for (host, method, path) in &calls {
            let walked = rules.iter().position(|rule| matches(rule, host, method, path));
            let found = policy
                .find(&Call { host, method, path: Some(path), mtls: false })
                .map(|(position, _)| position);
            assert_eq!(found, walked, "{method} {host} {path} {rules:#?}");
        }
    }
}
