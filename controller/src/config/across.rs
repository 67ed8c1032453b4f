//! What `vault`, `secrets` and `files` mean together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use svidgate_config::Object;
use svidgate_vault::Spec;

use super::credentials::{CredentialSource, Credentials};
use super::files::{Content, File};
use super::ready::Format;
use super::secrets::Secret;
use super::vault::{AuthMethod, Identity, Jwt, Vault};
use crate::sink::template;
use crate::workload_api::SOCKET_ENV;

/// `None` when there was a mistake.
pub(super) fn check(
    root: &mut Object<'_>,
    vault: Option<&Vault>,
    secrets: &BTreeMap<String, Secret>,
    files: &[File],
) -> Option<()> {
    let mut mistakes = Vec::new();
    if vault.is_none() && !secrets.is_empty() {
        mistakes.push(("secrets".to_owned(), "needs `vault`, where they come from".to_owned()));
    }
    if let Some(vault) = vault {
        of_vault(vault, secrets, &mut mistakes);
    }
    let mut paths = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        let path = file.target.path();
        if !paths.insert(path) {
            let text = format!("{} is written by another item as well", path.display());
            mistakes.push((format!("files[{index}]"), text));
        }
        if let Some(outer) = inside(path, files) {
            let text = format!("lies in the folder {} of another item", outer.display());
            mistakes.push((format!("files[{index}]"), text));
        }
        for (name, content) in file.target.contents() {
            of_content(&place(index, name), content, secrets, &mut mistakes);
        }
    }
    for (path, message) in &mistakes {
        root.error(path, message.as_str());
    }
    mistakes.is_empty().then_some(())
}

/// `None` when a template is not understood. It needs nothing but the files, so it is said whatever is wrong elsewhere.
pub(super) fn check_templates(root: &mut Object<'_>, files: &[File]) -> Option<()> {
    let mut good = Some(());
    for (index, file) in files.iter().enumerate() {
        for (name, content) in file.target.contents() {
            if let Content::Template(text) = content
                && let Err(error) = template::Template::compile(text)
            {
                root.error(&format!("{}.template", place(index, name)), error);
                good = None;
            }
        }
    }
    good
}

fn place(index: usize, name: &str) -> String {
    if name.is_empty() { format!("files[{index}]") } else { format!("files[{index}].contents.{name}") }
}

/// `None` when a credential is of a secret that is not there.
pub(super) fn check_credentials(
    root: &mut Object<'_>,
    credentials: &Credentials,
    secrets: &BTreeMap<String, Secret>,
) -> Option<()> {
    let mut good = Some(());
    for (name, entry) in &credentials.entries {
        if let CredentialSource::Secret(wanted) = &entry.source
            && !secrets.contains_key(&wanted.name)
        {
            let message = format!("`{}` is not among `secrets`", wanted.name);
            root.error(&format!("credentials.{name}.secret.name"), message);
            good = None;
        }
    }
    good
}

/// `None` when something needs the Workload API, which is not there. `None` for what has mistakes of its own; `files` may
/// also be absent.
pub(super) fn without_workload_api(
    root: &mut Object<'_>,
    vault: Option<&Vault>,
    credentials: Option<&Credentials>,
    files: Option<&Option<Vec<File>>>,
) -> Option<()> {
    let entries = || credentials.iter().flat_map(|credentials| &credentials.entries);
    let listed = || files.iter().flat_map(|files| files.iter().flatten());
    let mut needs = Vec::new();
    match vault.map(|vault| &vault.auth.method) {
        Some(AuthMethod::Jwt { token: Jwt::Svid { .. }, .. }) => needs.push("vault.auth.jwt".to_owned()),
        Some(AuthMethod::Cert { identity: Identity::Svid, .. }) => needs.push("vault.auth.cert".to_owned()),
        _ => {}
    }
    for (name, entry) in entries() {
        if matches!(entry.source, CredentialSource::JwtSvid(_)) {
            needs.push(format!("credentials.{name}.jwt_svid"));
        }
    }
    for (index, file) in listed().enumerate() {
        if file.target.contents().any(|(_, content)| takes_svids_or_bundles(content)) {
            needs.push(format!("files[{index}]"));
        }
    }
    if credentials.is_some() && files.is_some() && entries().next().is_none() && listed().next().is_none() {
        needs.push("giving bundles to filters, for there are no `files` and no `credentials`".to_owned());
    }
    if needs.is_empty() {
        return Some(());
    }
    let message = format!("is required, or ${SOCKET_ENV} in the environment, by: {}", needs.join(", "));
    root.error("workload_api.socket", message);
    None
}

/// What cannot be read now is judged at the start, by [`crate::sink::Sink::prepare`].
fn takes_svids_or_bundles(content: &Content) -> bool {
    match content {
        Content::Ready(ready) => template::Template::ready(ready).needs_workload_api(),
        Content::Template(text) => {
            template::Template::compile(text).is_ok_and(|template| template.needs_workload_api())
        }
        Content::TemplateFile(_) => false,
    }
}

type Mistakes = Vec<(String, String)>;

fn of_vault(vault: &Vault, secrets: &BTreeMap<String, Secret>, mistakes: &mut Mistakes) {
    let plain = vault.settings.address().starts_with("http://");
    if plain && matches!(vault.auth.method, AuthMethod::Cert { .. }) {
        mistakes.push((
            "vault.auth.cert".to_owned(),
            "needs an https address: a certificate is shown in TLS".to_owned(),
        ));
    }
    if vault.settings.breaker.open_at_most < vault.settings.breaker.open_for {
        let text = "must not be shorter than open_for".to_owned();
        mistakes.push(("vault.circuit_breaker.open_at_most".to_owned(), text));
    }
    for (name, secret) in secrets {
        match (&secret.fallback, vault.fail_open) {
            (Some(_), false) => mistakes.push((
                format!("secrets.{name}.fallback"),
                "has no effect unless vault.fail_open is true, which is for development only".to_owned(),
            )),
            (None, true) => mistakes.push((
                format!("secrets.{name}.fallback"),
                "is required: vault.fail_open is true".to_owned(),
            )),
            _ => {}
        }
    }
}

fn of_content(place: &str, content: &Content, secrets: &BTreeMap<String, Secret>, mistakes: &mut Mistakes) {
    let unknown = |name: &str| format!("`{name}` is not among `secrets`");
    match content {
        Content::Ready(ready) => {
            if let Some(name) = &ready.secret {
                let at = format!("{place}.{}.secret", template::name(ready.format));
                match secrets.get(name).map(|secret| &secret.spec) {
                    None => mistakes.push((at, unknown(name))),
                    Some(spec) if (ready.format == Format::X509) != matches!(spec, Spec::Pki { .. }) => {
                        mistakes
                            .push((at, format!("`{name}` is of kind {}, which does not fit", spec.kind())));
                    }
                    Some(_) => {}
                }
            }
        }
        Content::Template(text) => {
            // One that is not understood was reported before.
            let named =
                template::Template::compile(text).map(|template| template.secrets()).unwrap_or_default();
            for name in named.into_iter().filter(|name| !secrets.contains_key(name)) {
                mistakes
                    .push((format!("{place}.template"), format!("uses secrets.{name}: {}", unknown(&name))));
            }
        }
        // Read at the start: it may lie elsewhere now.
        Content::TemplateFile(_) => {}
    }
}

/// The folder of another item that `path` lies in.
fn inside<'f>(path: &Path, files: &'f [File]) -> Option<&'f Path> {
    files.iter().map(|file| &file.target).find_map(|target| match target {
        super::files::Target::Folder { path: folder, .. } if path != folder && path.starts_with(folder) => {
            Some(folder.as_path())
        }
        _ => None,
    })
}
