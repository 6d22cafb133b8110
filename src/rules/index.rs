//! Finds the rules that a request could match, without asking the others: by host, then by method and path.
//!
//! The index only narrows: whatever it finds is asked in full, and it never misses what would match
//! generously. Building pays for asking: nothing is allocated here per request.

use super::host::HostPattern;
use super::path::{PathPattern, routed, segments, trimmed};
use super::segment::{Case, Segment, folded_hash, has_beyond_ascii};
use crate::request::Head;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A branch of a rule: one of the matchers under its `when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) rule: usize,
    pub(super) branch: usize,
    /// Bits of the methods that it can match.
    pub(super) methods: u16,
}

/// All branches of all rules.
#[derive(Debug, Default)]
pub(super) struct Index {
    tries: Vec<Trie>,
    exact: HashedMap<usize>,
    under: HashedMap<usize>,
    globs: Vec<(HostPattern, usize)>,
    any: Option<usize>,
}

/// A map by the folded hash of a text. The keys come from rule files, so nobody can choose them to collide;
/// texts that do are told apart by comparing.
type HashedMap<V> = HashMap<u64, Vec<(Box<str>, V)>, BuildHasherDefault<AsIs>>;

/// Path patterns as a tree of segments.
#[derive(Debug, Default)]
struct Trie {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashedMap<Self>,
    any: Option<Box<Self>>,
    pieces: Vec<(Segment, Self)>,
    /// Patterns that end here.
    here: Vec<Branch>,
    /// Patterns that have `**` here, and branches that ask for no path.
    rest: Vec<Branch>,
}

impl Index {
    /// Names a host without giving it a rule: it counts as known.
    pub(super) fn know(&mut self, host: &HostPattern) {
        self.trie_of(host);
    }

    pub(super) fn insert(
        &mut self,
        hosts: Option<&[HostPattern]>,
        paths: Option<&[PathPattern]>,
        branch: Branch,
    ) {
        for host in hosts.unwrap_or(&[HostPattern::Any]) {
            let trie = self.trie_of(host);
            let Some(trie) = self.tries.get_mut(trie) else { continue };
            match paths {
                None => trie.root.rest.push(branch),
                Some(paths) => paths.iter().for_each(|path| trie.insert(path, branch)),
            }
        }
    }

    /// Calls `found` for each branch whose host, path and method could match, some of them twice, until it
    /// returns false. Returns whether a rule or pack names the host.
    pub(super) fn candidates(
        &self,
        head: &Head<'_>,
        methods: u16,
        found: &mut dyn FnMut(Branch) -> bool,
    ) -> bool {
        let host = head.authority.host.as_str();
        let mut known = false;
        let mut go_on = true;
        let mut ask = |trie: usize| {
            if let Some(trie) = self.tries.get(trie)
                && go_on
            {
                go_on = trie.walk(head.path, methods, found)
                    && head.readings.iter().all(|reading| trie.walk(reading, methods, found));
            }
        };
        if let Some(trie) = find(&self.exact, host) {
            known = true;
            ask(*trie);
        }
        let mut suffix = host;
        while let Some((_, parent)) = suffix.split_once('.') {
            if let Some(trie) = find(&self.under, parent) {
                known = true;
                ask(*trie);
            }
            suffix = parent;
        }
        for (pattern, trie) in &self.globs {
            if pattern.matches(host) {
                known = true;
                ask(*trie);
            }
        }
        self.any.iter().for_each(|trie| ask(*trie));
        known
    }

    fn trie_of(&mut self, host: &HostPattern) -> usize {
        let next = self.tries.len();
        let at = match host {
            HostPattern::Any => *self.any.get_or_insert(next),
            HostPattern::Exact(text) => *find_or_insert(&mut self.exact, text, next),
            HostPattern::Under(text) => *find_or_insert(&mut self.under, text, next),
            HostPattern::Labels { .. } => match self.globs.iter().find(|(pattern, _)| pattern == host) {
                Some((_, at)) => *at,
                None => {
                    self.globs.push((host.clone(), next));
                    next
                }
            },
        };
        if at == next {
            self.tries.push(Trie::default());
        }
        at
    }
}

impl Trie {
    fn insert(&mut self, path: &PathPattern, branch: Branch) {
        let mut node = &mut self.root;
        for segment in &path.head {
            node = match segment {
                // Its other letter cases have other hashes.
                Segment::Literal(text) if has_beyond_ascii(text) => &mut **node.any.get_or_insert_default(),
                Segment::Literal(text) => find_or_insert(&mut node.literals, text, Node::default()),
                Segment::Any(_) => &mut **node.any.get_or_insert_default(),
                Segment::Pieces(_) => {
                    let at = node.pieces.iter().position(|(known, _)| known == segment);
                    let at = at.unwrap_or_else(|| {
                        node.pieces.push((segment.clone(), Node::default()));
                        node.pieces.len() - 1
                    });
                    &mut node.pieces.get_mut(at).expect("found or pushed just above").1
                }
            };
        }
        if path.tail.is_some() { node.rest.push(branch) } else { node.here.push(branch) }
    }

    fn walk(&self, path: &str, methods: u16, found: &mut dyn FnMut(Branch) -> bool) -> bool {
        walk(&self.root, segments(trimmed(path)), methods, found)
            && routed(path).is_none_or(|path| walk(&self.root, segments(path), methods, found))
    }
}

/// Depth first. A node is at one depth only, so that it is visited at most once per path.
fn walk<'p>(
    node: &Node,
    mut segments: impl Iterator<Item = &'p str> + Clone,
    methods: u16,
    found: &mut dyn FnMut(Branch) -> bool,
) -> bool {
    if !tell(&node.rest, methods, found) {
        return false;
    }
    let Some(segment) = segments.next() else {
        return tell(&node.here, methods, found);
    };
    if !node.literals.is_empty()
        && let Some(next) = find(&node.literals, segment)
        && !walk(next, segments.clone(), methods, found)
    {
        return false;
    }
    for (pattern, next) in &node.pieces {
        if pattern.matches(segment, Case::Folded) && !walk(next, segments.clone(), methods, found) {
            return false;
        }
    }
    node.any.as_ref().is_none_or(|next| walk(next, segments, methods, found))
}

fn tell(branches: &[Branch], methods: u16, found: &mut dyn FnMut(Branch) -> bool) -> bool {
    branches.iter().filter(|branch| branch.methods & methods != 0).all(|branch| found(*branch))
}

fn find<'m, V>(map: &'m HashedMap<V>, text: &str) -> Option<&'m V> {
    let same = map.get(&folded_hash(text))?;
    same.iter().find(|(key, _)| key.eq_ignore_ascii_case(text)).map(|(_, value)| value)
}

fn find_or_insert<'m, V>(map: &'m mut HashedMap<V>, text: &str, value: V) -> &'m mut V {
    let same = map.entry(folded_hash(text)).or_default();
    let at = same.iter().position(|(key, _)| key.eq_ignore_ascii_case(text)).unwrap_or_else(|| {
        same.push((text.into(), value));
        same.len() - 1
    });
    &mut same.get_mut(at).expect("found or pushed just above").1
}

/// Takes the hash that the map is asked with as it is.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
