use super::{Doubt, DoubtKind};
use crate::host::{Host, HostPattern};
use crate::path::{Oddities, Path, PathPattern};
use crate::policy::{Call, Policy};
use crate::rule::{Callers, GrpcMethods, Match, Mode, Requirement, Rule};

/// `GET,POST a.test,*.b.test /a,/b/**`, each part `-` for none; `mtls` or `plain` behind it.
fn rule(text: &str, require: Requirement) -> Rule {
    let mut words = text.split(' ');
    let mut list = || {
        let word = words.next().unwrap_or("-");
        word.split(',').filter(|item| *item != "-").map(str::to_owned).collect::<Vec<_>>()
    };
    let methods = list();
    let hosts = list().iter().map(|host| HostPattern::parse(host).unwrap()).collect();
    let paths = list().iter().map(|path| PathPattern::parse(path).unwrap()).collect();
    let mtls = list().first().map(|word| word == "mtls");
    Rule {
        name: text.to_owned(),
        matches: Match { hosts, methods, paths, grpc: Vec::new(), mtls },
        require,
        mode: None,
        admits: Oddities::default(),
        lets_preflights_pass: false,
    }
}

/// The second rule asks something else than the first; a third one asks as the first.
fn policy(texts: &[&str]) -> Policy {
    let require = |at: usize| match at % 2 {
        0 => Requirement::None,
        _ => Requirement::Mtls(Callers::default()),
    };
    Policy::new(texts.iter().enumerate().map(|(at, text)| rule(text, require(at))).collect())
}

fn doubts(texts: &[&str]) -> Vec<String> {
    let doubts = policy(texts).doubts(Mode::Enforce);
    assert!(!doubts.incomplete);
    doubts.found.iter().map(told).collect()
}

fn told(Doubt { rule, kind }: &Doubt) -> String {
    match kind {
        DoubtKind::Unreachable { by } => format!("{rule} unreachable by {by:?}"),
        DoubtKind::Overlaps { earlier, requests } => format!("{rule} overlaps {earlier}: {requests}"),
    }
}

#[test]
fn p03_a_rule_behind_a_more_general_one_is_never_reached() {
    for texts in [
        ["-", "GET a.test /a"],
        ["- - /**", "GET - /a"],
        ["- - /**", "GET"],
        ["- *.test", "- *.a.test /x"],
        ["- *.test", "- b.a.test"],
        ["- - /a/**", "- - /a"],
        ["- - /a/*", "- - /a/{id}"],
        ["- - /*/b", "- a.test /a/b,/c/b"],
        ["GET", "HEAD"],
        ["GET,POST", "POST"],
        ["- - - mtls", "- - /a mtls"],
        ["- - /a", "- - /a"],
    ] {
        assert_eq!(doubts(&texts), ["1 unreachable by [0]"], "{texts:?}");
    }
    assert_eq!(doubts(&["- - - mtls", "- - - plain", "GET - /a"]), ["2 unreachable by [0, 1]"]);
    assert_eq!(doubts(&["GET", "POST", "POST,GET - /a"]), ["2 unreachable by [0, 1]"]);
}

#[test]
fn p03_specific_before_general_and_rules_that_are_apart_are_no_mistake() {
    for texts in [
        ["GET a.test /a", "-"],
        ["- - /**", "-"],
        ["- *.test", "- test"],
        ["- - /a/*", "- - /a/**"],
        ["GET - /a", "POST - /a"],
        ["GET - /a", "- - /a"],
        ["GET - /a/**", "- - /a/**"],
        ["GET - /healthz", "- a.test"],
        ["- a.test", "GET - /healthz"],
        ["GET - /healthz", "- - - mtls"],
        ["- - - mtls", "GET"],
        ["- - /a/b/**", "- - /a/*/c"],
        ["- a.test,b.test /a", "- b.test,c.test /b"],
    ] {
        assert_eq!(doubts(&texts), [""; 0], "{texts:?}");
    }
}

#[test]
fn p03_a_rule_that_looks_closer_but_does_not_decide_is_told() {
    for (texts, expected) in [
        (["GET - /a/**", "- - /a/b"], "1 overlaps 0: GET /a/b"),
        (["- - /**", "CONNECT"], "1 overlaps 0: CONNECT /**"),
        (["GET", "- - /admin/**"], "1 overlaps 0: GET /admin/**"),
        (["- - - mtls", "- - /admin"], "1 overlaps 0: any method /admin"),
        (["GET - /a", "- a.test /a"], "1 overlaps 0: GET a.test/a"),
        (["GET - /a", "- *.test /a"], "1 overlaps 0: GET *.test/a"),
        (["- - /a/*/c", "- - /a/b/*"], "1 overlaps 0: any method /a/b/c"),
        (["GET,POST - /a", "POST,PUT - /a"], "1 overlaps 0: POST /a"),
        (["- - /a/**,/c", "- - /a/b,/d"], "1 overlaps 0: any method /a/b"),
        (["- - /*/b,/c", "- - /a/**"], "1 overlaps 0: any method /a/b"),
    ] {
        assert_eq!(doubts(&texts), [expected], "{texts:?}");
    }
}

#[test]
fn a_rule_for_what_both_are_about_says_which_one_was_meant() {
    assert_eq!(doubts(&["GET - /a/b", "- - /x", "GET - /a/**", "- - /a/b"]), [""; 0]);
}

#[test]
fn rules_that_ask_the_same_may_overlap() {
    assert_eq!(doubts(&["GET - /a/**", "- - /x", "- - /a/b"]), [""; 0]);
    let mut rules = policy(&["GET - /a/**", "- - /x", "- - /a/b"]).rules().to_vec();
    rules[2].mode = Some(Mode::Audit);
    assert_eq!(Policy::new(rules.clone()).doubts(Mode::Enforce).found.len(), 1);
    assert_eq!(Policy::new(rules).doubts(Mode::Audit).found.len(), 0);
}

#[test]
fn p07_a_service_before_its_method_hides_it() {
    let grpc = |methods: &[&str]| {
        let mut rule = rule("-", Requirement::None);
        let methods = methods.iter().map(|&method| method.to_owned()).collect();
        rule.matches.grpc = vec![GrpcMethods { service: "pkg.S".to_owned(), methods }];
        rule
    };
    let found = |rules| Policy::new(rules).doubts(Mode::Enforce).found.iter().map(told).collect::<Vec<_>>();
    assert_eq!(found(vec![grpc(&[]), grpc(&["Get"])]), ["1 unreachable by [0]"]);
    assert_eq!(found(vec![grpc(&["Get"]), grpc(&[])]), [""; 0]);
}

/// Ten thousand rules of each kind, well within the bound; and rules that no bound would be enough for.
#[test]
fn many_rules_are_compared_and_too_many_ways_are_said_to_be() {
    let many = |text: fn(usize) -> String| {
        let rules = (0..10_000).map(|at| rule(&text(at), Requirement::None)).collect();
        Policy::new(rules).doubts(Mode::Enforce)
    };
    for text in [
        (|at| format!("GET h{at}.a.test /a/{{id}}")) as fn(usize) -> String,
        |at| format!("GET,POST - /a/r{at}/**"),
        |at| format!("- *.h{at}.test"),
    ] {
        let doubts = many(text);
        assert_eq!((doubts.found.len(), doubts.incomplete), (0, false));
    }
    assert_eq!(many(|_| "GET a.test /a".to_owned()).found.len(), 9_999);
    let doubled =
        |at: usize| -> String { (0..13).map(|bit| if at >> bit & 1 == 0 { "/a" } else { "/*" }).collect() };
    let rules = (0..8192).rev().map(|at| rule(&format!("- - {}", doubled(at)), Requirement::None));
    assert!(Policy::new(rules.collect()).doubts(Mode::Enforce).incomplete);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;

    fn rules() -> impl Strategy<Value = Vec<String>> {
        let hosts = vec!["a.test", "*.test", "*.a.test", "b.a.test", "other"];
        let methods = vec!["GET", "HEAD", "POST", "CONNECT"];
        let paths = vec!["/", "/a", "/a/**", "/*/b", "/a/*", "/a/b", "/**", "/*", "/*/b/**", "/a/*/c"];
        let part = |items: Vec<&'static str>, most| {
            subsequence(items, 0..=most)
                .prop_map(|some| if some.is_empty() { "-".to_owned() } else { some.join(",") })
        };
        let one = (part(methods, 2), part(hosts, 2), part(paths, 2), select(vec!["-", "-", "mtls", "plain"]))
            .prop_map(|(methods, hosts, paths, peer)| format!("{methods} {hosts} {paths} {peer}"));
        vec(one, 1..7)
    }

    fn is_about(rule: &Rule, call: &Call<'_>) -> bool {
        let Match { hosts, methods, paths, mtls, .. } = &rule.matches;
        (hosts.is_empty() || hosts.iter().any(|host| host.matches(call.host)))
            && (methods.is_empty()
                || methods.iter().any(|m| m == call.method || (m == "GET" && call.method == "HEAD")))
            && (paths.is_empty() || call.path.is_some_and(|path| paths.iter().any(|one| one.matches(path))))
            && mtls.is_none_or(|mtls| mtls == call.mtls)
    }

    /// Every request of a small world: any that a judge can be asked about.
    fn requests() -> Vec<(Host, &'static str, Option<Path>, bool)> {
        let hosts = ["a.test", "b.a.test", "c.b.a.test", "z.test", "test", "other", "z.z"];
        let paths =
            ["/", "/a", "/b", "/z", "/a/b", "/z/b", "/a/z", "/z/z", "/a/b/c", "/a/z/c", "/z/b/z", "/a/b/z/z"];
        let paths: Vec<_> = paths.iter().map(|path| Some(Path::parse(path).unwrap())).chain([None]).collect();
        let mut requests = Vec::new();
        for method in ["GET", "HEAD", "POST", "CONNECT", "PUT"] {
            for path in paths.iter().filter(|path| path.is_some() || method == "CONNECT") {
                for host in hosts {
                    let host = Host::parse(host).unwrap();
                    requests.extend([true, false].map(|mtls| (host.clone(), method, path.clone(), mtls)));
                }
            }
        }
        requests
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// No request reaches a rule that is called unreachable, and each that it is about is for one of the rules named.
        #[test]
        fn p03_no_rule_that_a_request_reaches_is_called_unreachable(texts in rules()) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let policy = policy(&texts);
            let doubts = policy.doubts(Mode::Enforce);
            for (host, method, path, mtls) in requests() {
                let call = Call { host: &host, method, path: path.as_ref(), mtls };
                let decider = policy.find(&call).map(|(position, _)| position);
                for doubt in &doubts.found {
                    let DoubtKind::Unreachable { by } = &doubt.kind else { continue };
                    prop_assert_ne!(decider, Some(doubt.rule), "{:?} {:?}", call, doubt);
                    if is_about(&policy.rules()[doubt.rule], &call) {
                        let covered = by.iter().any(|earlier| is_about(&policy.rules()[*earlier], &call));
                        prop_assert!(covered, "{:?} {:?}", call, doubt);
                    }
                }
            }
        }

        /// The small world has a request for each pattern, so a rule that a single earlier one covers shows in it.
        #[test]
        fn p03_a_rule_that_one_earlier_rule_covers_is_called_unreachable(texts in rules()) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let policy = policy(&texts);
            let doubts = policy.doubts(Mode::Enforce);
            for (later, rule) in policy.rules().iter().enumerate() {
                let covered = policy.rules().iter().take(later).any(|earlier| super::super::is_within(&rule.matches, &earlier.matches));
                if covered {
                    let told = doubts.found.iter().any(|doubt| doubt.rule == later && matches!(doubt.kind, DoubtKind::Unreachable { .. }));
                    prop_assert!(told, "{} {:?}", later, doubts);
                }
            }
        }

        /// The requests that are told are for both rules, which ask different things, and not for the later one to decide.
        #[test]
        fn p03_the_requests_of_an_overlap_are_those_of_both_rules(texts in rules()) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let policy = policy(&texts);
            for doubt in policy.doubts(Mode::Enforce).found {
                let DoubtKind::Overlaps { earlier, requests } = &doubt.kind else { continue };
                let (method, target) = requests.rsplit_once(' ').unwrap();
                let method = if method == "any method" { "PATCH" } else { method };
                let (host, path) = target.split_at(target.find('/').unwrap());
                let host = match host {
                    "" => "q.q".to_owned(),
                    host => host.replace('*', "q"),
                };
                let path = Path::parse(&path.replace("**", "q").replace('*', "q")).unwrap();
                let host = Host::parse(&host).unwrap();
                let both = [true, false].into_iter().any(|mtls| {
                    let call = Call { host: &host, method, path: Some(&path), mtls };
                    policy.find(&call).is_some_and(|(position, _)| position <= *earlier)
                        && is_about(&policy.rules()[*earlier], &call)
                        && is_about(&policy.rules()[doubt.rule], &call)
                });
                prop_assert!(both && *earlier < doubt.rule && doubt.rule % 2 != *earlier % 2, "{:?}", doubt);
            }
        }
    }
}
