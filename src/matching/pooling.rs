//! Matrices made smaller for a picture without losing what stands out: each cell shows the strongest of those it stands for.

use std::ops::Range;

use super::Matrix;

/// Rows and columns of a [`super::GroupReport`]'s overviews at most.
pub const OVERVIEW_CELLS: usize = 1024;

/// The lines, of `n`, that pooled line `cell` of `n_cells` stands for. `n_cells` is at most `n`.
pub fn pooled_lines(n: usize, n_cells: usize, cell: usize) -> Range<usize> {
    cell * n / n_cells..(cell + 1) * n / n_cells
}

/// The matrix with its rows and columns in the orders given, pooled to at most `most` of each: a cell holds, of the values it
/// stands for, the one of largest magnitude with its sign. Means would let the diagonal of a large matrix fade away.
///
/// `rows`, `columns`: place by place the row or column that stands there; they need not be all of the matrix'.
pub fn pool(matrix: &Matrix, rows: &[usize], columns: &[usize], most: usize) -> Matrix {
    let (height, width) = (rows.len().min(most), columns.len().min(most));
    let lines: Vec<Range<usize>> = (0..width).map(|cell| pooled_lines(columns.len(), width, cell)).collect();
    let mut values = vec![0.0_f32; height * width];
    for (cell, pooled) in values.chunks_mut(width.max(1)).enumerate() {
        for &row in &rows[pooled_lines(rows.len(), height, cell)] {
            let row = matrix.row(row);
            for (strongest, lines) in pooled.iter_mut().zip(&lines) {
                *strongest = columns[lines.clone()].iter().map(|&column| row[column]).fold(*strongest, stronger);
            }
        }
    }
    Matrix::new(width, values)
}

/// The value of larger magnitude.
fn stronger(one: f32, other: f32) -> f32 {
    if one.abs() < other.abs() { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(n: usize) -> Vec<usize> {
        (0..n).collect()
    }

    #[test]
    fn a_lone_diagonal_of_six_thousand_units_survives() {
        let n = 6000;
        let mut values = vec![0.05; n * n];
        for unit in 0..n {
            values[unit * n + unit] = 0.9;
        }
        let pooled = pool(&Matrix::new(n, values), &all(n), &all(n), OVERVIEW_CELLS);
        assert_eq!((pooled.n_rows(), pooled.n_columns()), (OVERVIEW_CELLS, OVERVIEW_CELLS));
        assert!((0..OVERVIEW_CELLS).all(|cell| pooled.at(cell, cell) == 0.9));
        assert_eq!(pooled.values().iter().filter(|value| **value == 0.9).count(), OVERVIEW_CELLS);
    }

    #[test]
    fn a_pooled_cell_is_the_largest_in_magnitude_of_its_cells() {
        let matrix = Matrix::new(4, (0..28).map(|cell| (f32::from(cell as u8) * 0.7).sin()).collect());
        let (rows, columns) = ([6, 0, 3, 1, 2, 5, 4], [2, 0, 3, 1]);
        let pooled = pool(&matrix, &rows, &columns, 3);
        let values = |range: Range<usize>, order: &[usize]| order[range].to_vec();
        for place in 0..3 {
            for column in 0..3 {
                let own_rows = values(pooled_lines(7, 3, place), &rows);
                let own_columns = values(pooled_lines(4, 3, column), &columns);
                let row_cells =
                    |row: usize| own_columns.iter().map(|&column| matrix.at(row, column)).collect::<Vec<_>>();
                let cells: Vec<f32> = own_rows.iter().flat_map(|&row| row_cells(row)).collect();
                let shown = pooled.at(place, column);
                assert!(cells.contains(&shown) && cells.iter().all(|value| value.abs() <= shown.abs()));
            }
        }
    }

    #[test]
    fn a_small_matrix_is_only_put_in_order() {
        let matrix = Matrix::new(2, vec![1.0, -2.0, 3.0, -4.0]);
        let found = pool(&matrix, &[1, 0], &[1, 0], 8);
        assert_eq!(found.values(), [-4.0, 3.0, -2.0, 1.0]);
        assert!(pool(&matrix, &[], &[0, 1], 8).values().is_empty());
    }
}
