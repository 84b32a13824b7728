//! Networks as the nodes of a graph whose edges are paths between them (Draxler et al. 2018, section 3.3): the least spanning
//! tree over the paths' highest losses says how any two are best connected, and where another path is worth finding.

/// A path between two nodes that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    pub ends: (usize, usize),
    /// Highest loss on the way; NaN counts as infinite.
    pub weight: f64,
}

impl Edge {
    fn joins(&self, i: usize, j: usize) -> bool {
        self.ends == (i, j) || self.ends == (j, i)
    }
}

/// The way between two nodes whose highest edge is the lowest that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// From the one to the other, both included.
    pub nodes: Vec<usize>,
    /// The highest weight on the way; below all where nothing lies between.
    pub weight: f64,
}

/// The least spanning tree, or forest where the edges do not connect all nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanningTree {
    n_nodes: usize,
    edges: Vec<Edge>,
}

impl SpanningTree {
    /// Kruskal's algorithm: edges from the lowest up, those left out that close a circle. Of edges of one weight the first
    /// counts.
    ///
    /// `edges`: their ends are below `n_nodes`.
    pub fn least(n_nodes: usize, edges: &[Edge]) -> Self {
        let mut sorted = edges.to_vec();
        sorted.sort_by(|a, b| height(a).total_cmp(&height(b)));
        let mut tree = Self { n_nodes, edges: Vec::with_capacity(n_nodes.saturating_sub(1)) };
        let mut part: Vec<usize> = (0..n_nodes).collect();
        for edge in sorted {
            let (i, j) = (part[edge.ends.0], part[edge.ends.1]);
            if i != j {
                part.iter_mut().filter(|part| **part == j).for_each(|part| *part = i);
                tree.edges.push(edge);
            }
        }
        tree
    }

    /// From the lowest to the highest.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Whether any node can be reached from any other.
    pub fn is_connected(&self) -> bool {
        self.edges.len() + 1 >= self.n_nodes
    }

    /// The way from `from` to `to`, which is the best that all edges allow: any other goes over an edge at least as high.
    /// `None` where there is none.
    pub fn route(&self, from: usize, to: usize) -> Option<Route> {
        let mut came_from: Vec<Option<(usize, f64)>> = vec![None; self.n_nodes];
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            for edge in &self.edges {
                let next = match edge.ends {
                    (i, j) if i == node => j,
                    (i, j) if j == node => i,
                    _ => continue,
                };
                if next != from && came_from[next].is_none() {
                    came_from[next] = Some((node, height(edge)));
                    open.push(next);
                }
            }
        }
        let (mut nodes, mut weight) = (vec![to], f64::NEG_INFINITY);
        let mut node = to;
        while node != from {
            let (before, height) = came_from[node]?;
            weight = weight.max(height);
            nodes.push(before);
            node = before;
        }
        nodes.reverse();
        Some(Route { nodes, weight })
    }

    /// Which nodes hang together with `node` once the edge `without` is taken out.
    fn side(&self, node: usize, without: Option<usize>) -> Vec<bool> {
        let kept = self.edges.iter().enumerate().filter(|&(index, _)| Some(index) != without);
        let rest = Self { n_nodes: self.n_nodes, edges: kept.map(|(_, edge)| *edge).collect() };
        (0..self.n_nodes).map(|other| rest.route(node, other).is_some()).collect()
    }
}

/// The pair of nodes whose path should be looked for next (Draxler et al. 2018): while some nodes cannot be reached, the lowest
/// of those with the lowest of all; then, from the tree's highest edge down, a pair that was not tried yet and that would make
/// it needless, the lowest nodes first. `None` once every pair was tried that could help.
///
/// `losses`: one a node; `tried`: the paths found so far.
pub fn next_pair(losses: &[f64], tried: &[Edge]) -> Option<(usize, usize)> {
    let tree = SpanningTree::least(losses.len(), tried);
    let lowest_first = |is_wanted: &dyn Fn(usize) -> bool| {
        let mut nodes: Vec<usize> = (0..losses.len()).filter(|&node| is_wanted(node)).collect();
        nodes.sort_by(|&i, &j| losses[i].total_cmp(&losses[j]));
        nodes
    };
    let best = *lowest_first(&|_| true).first()?;
    let reached = tree.side(best, None);
    if let Some(&outside) = lowest_first(&|node| !reached[node]).first() {
        return Some((best, outside));
    }
    (0..tree.edges.len()).rev().find_map(|highest| {
        let side = tree.side(tree.edges[highest].ends.0, Some(highest));
        let (here, there) = (lowest_first(&|node| side[node]), lowest_first(&|node| !side[node]));
        let pairs = here.iter().flat_map(|&i| there.iter().map(move |&j| (i, j)));
        let untried = pairs.filter(|&(i, j)| !tried.iter().any(|edge| edge.joins(i, j)));
        untried.min_by(|a, b| (losses[a.0] + losses[a.1]).total_cmp(&(losses[b.0] + losses[b.1])))
    })
}

fn height(edge: &Edge) -> f64 {
    if edge.weight.is_nan() { f64::INFINITY } else { edge.weight }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    fn complete(n: usize, rng: &mut ChaCha8Rng) -> Vec<Edge> {
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        pairs.map(|ends| Edge { ends, weight: rng.random() }).collect()
    }

    /// The lowest highest edge over all ways from `at` to `to` that visit no node twice.
    fn brute_force(edges: &[Edge], at: usize, to: usize, visited: &mut Vec<usize>) -> f64 {
        if at == to {
            return f64::NEG_INFINITY;
        }
        visited.push(at);
        let mut best = f64::INFINITY;
        for edge in edges {
            let next = match edge.ends {
                (i, j) if i == at => j,
                (i, j) if j == at => i,
                _ => continue,
            };
            if !visited.contains(&next) {
                best = best.min(brute_force(edges, next, to, visited).max(edge.weight));
            }
        }
        visited.pop();
        best
    }

    #[test]
    fn routes_through_the_tree_are_as_low_as_any_way_through_the_graph() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for n in 2..7 {
            let mut edges = complete(n, &mut rng);
            // Not every pair was tried.
            edges.retain(|edge| edge.ends.0 == edge.ends.1 + 1 || rng.random_bool(0.6));
            let tree = SpanningTree::least(n, &edges);
            assert!(tree.is_connected());
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i) {
                    let route = tree.route(i, j).unwrap();
                    assert_eq!(route.weight, brute_force(&edges, i, j, &mut Vec::new()), "{i} {j} {edges:?}");
                    assert_eq!((route.nodes.first(), route.nodes.last()), (Some(&i), Some(&j)));
                }
            }
        }
    }

    #[test]
    fn nodes_that_no_edge_reaches_have_no_route() {
        let tree = SpanningTree::least(4, &[Edge { ends: (0, 1), weight: 1.0 }, Edge { ends: (2, 3), weight: 2.0 }]);
        assert!(!tree.is_connected());
        assert_eq!(tree.route(0, 3), None);
        assert_eq!(tree.route(2, 2).unwrap().nodes, [2]);
    }

    #[test]
    fn a_weight_that_is_no_number_is_the_highest() {
        let weights = [((0, 1), f64::NAN), ((1, 2), 5.0), ((0, 2), 7.0)];
        let tree = SpanningTree::least(3, &weights.map(|(ends, weight)| Edge { ends, weight }));
        assert_eq!(tree.route(0, 1).unwrap().nodes, [0, 2, 1]);
    }

    #[test]
    fn all_nodes_are_joined_to_the_lowest_before_any_edge_is_improved() {
        let losses = [0.3, 0.1, 0.2];
        let mut tried = Vec::new();
        for expected in [(1, 2), (1, 0)] {
            let found = next_pair(&losses, &tried).unwrap();
            assert_eq!(found, expected);
            tried.push(Edge { ends: found, weight: 1.0 });
        }
        assert_eq!(next_pair(&losses, &tried), Some((2, 0)));
        tried.push(Edge { ends: (0, 2), weight: 1.0 });
        assert_eq!(next_pair(&losses, &tried), None);
    }

    #[test]
    fn the_highest_edge_is_the_first_to_be_improved() {
        let losses = [0.1, 0.2, 0.3, 0.4];
        let star = [((0, 1), 1.0), ((0, 2), 9.0), ((0, 3), 2.0)];
        let tried = star.map(|(ends, weight)| Edge { ends, weight });
        // Node 2 hangs on the highest edge; the lowest node that it was not tried with is 1.
        let (i, j) = next_pair(&losses, &tried).unwrap();
        assert_eq!((i.min(j), i.max(j)), (1, 2));
    }

    #[test]
    fn no_nodes_and_a_single_one_need_no_paths() {
        assert_eq!(next_pair(&[], &[]), None);
        assert_eq!(next_pair(&[1.0], &[]), None);
        assert!(SpanningTree::least(1, &[]).is_connected());
    }
}
