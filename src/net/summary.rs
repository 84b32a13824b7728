//! A network in words: its layers, its parameters and what can change places in it.

use std::fmt::Write as _;

use super::{Network, layer_name};

impl Network {
    /// A table of the operations with the shapes of their outputs and their numbers of parameters, then the permutation
    /// groups and what restricts them; several lines, each ended.
    pub fn summary(&self) -> String {
        let rows: Vec<[String; 4]> = self.nodes.iter().map(|node| self.row(node)).collect();
        let header = ["layer", "operation", "output", "parameters"].map(str::to_owned);
        let width =
            |column: usize| rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);

        let statistics = self.layout.len() - self.layout.n_trained();
        let mut text = format!("{}: {} parameters", self.name, self.layout.n_trained());
        if 0 < statistics {
            text += &format!(" and {statistics} running statistics");
        }
        text += &format!(", input {}, {} classes\n\n", joined(self.input_shape()), self.n_classes());
        for [layer, operation, output, parameters] in [&header].into_iter().chain(&rows) {
            let [a, b, c, d] = widths;
            let line = format!("{layer:a$}  {operation:b$}  {output:c$}  {parameters:>d$}");
            writeln!(text, "{}", line.trim_end()).expect("writing to a text cannot fail");
        }
        for (head, weight) in &self.aux_heads {
            let line =
                format!("operation {} is an auxiliary output, its loss counts {weight} times in training", head.0);
            text += &format!("\n{line}\n");
        }

        text += &format!("\n{} groups of units that can change places\n", self.groups().len());
        for group in self.groups() {
            text += &format!("  {}: {} units, {} tensor axes\n", group.name, group.n_units, group.axes.len());
        }
        for remark in self.restrictions() {
            text += &format!("  {remark}\n");
        }
        text
    }

    /// Layer, operation, output shape and number of parameters.
    fn row(&self, node: &super::Node) -> [String; 4] {
        let params = node.op.params();
        let layer = params.first().map_or("", |&id| layer_name(&self.layout.spec(id).name));
        let n_values: usize = params.iter().map(|&id| self.layout.spec(id).n_values()).sum();
        let n_values = if params.is_empty() { String::new() } else { n_values.to_string() };
        [layer.to_owned(), node.op.name().to_owned(), joined(&node.shape), n_values]
    }
}

/// `3x32x32`.
fn joined(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::super::zoo;

    #[test]
    fn a_summary_names_layers_shapes_parameters_and_groups() {
        let text = zoo::by_name("lenet").unwrap().summary();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("lenet: 61706 parameters, input 1x28x28, 10 classes"));
        for line in ["conv1  conv2d     6x28x28          156", "  fc1: 120 units, 3 tensor axes"] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
    }

    #[test]
    fn a_summary_says_what_restricts_permutations() {
        let network = zoo::samples().into_iter().find(|network| network.name() == "norms and groups").unwrap();
        assert!(network.summary().contains("group norm, units change places only within each of its 2 groups"));
    }
}
