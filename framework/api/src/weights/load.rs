//! Tensors into a network. The main function is [`load_state_dict`].

use super::{HeadReplaced, Mismatch, StateDict};
use crate::Classifier;
use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::collections::BTreeMap;

/// Puts a state dict into a network. `head` is the classification layer (`fc`): with another number of classes it
/// keeps its initialisation, which the result reports.
///
/// # Errors
/// One that lists every missing, unexpected and mis-shaped tensor.
pub fn load_state_dict<M: Classifier>(
    module: M,
    dict: StateDict,
    head: &str,
) -> Result<(M, Option<HeadReplaced>), Mismatch> {
    let mut expected = ShapeVisitor { path: Vec::new(), name: M::state_name, shapes: BTreeMap::new() };
    module.visit(&mut expected);
    let mut dict = dict.fitted(&|name| expected.shapes.contains_key(name));
    let replaced = take_head(&mut dict, &expected.shapes, head);
    let kept = |name: &str| replaced.is_some() && name.strip_prefix(head).is_some_and(|r| r.starts_with('.'));

    let mut mismatch = Mismatch::default();
    for (name, shape) in &expected.shapes {
        match dict.0.get(name) {
            Some(data) if **data.shape() == **shape => {}
            Some(data) => {
                mismatch.misshaped.push(format!("{name} {:?} instead of {shape:?}", &**data.shape()));
            }
            None if kept(name) => {}
            None => mismatch.missing.push(name.clone()),
        }
    }
    mismatch.unexpected = dict.0.keys().filter(|n| !expected.shapes.contains_key(*n)).cloned().collect();
    if mismatch != Mismatch::default() {
        mismatch.found = dict.whose();
        return Err(mismatch);
    }
    let mut mapper = LoadMapper { path: Vec::new(), name: M::state_name, dict };
    Ok((module.map(&mut mapper), replaced))
}

/// Takes the head out of the dict if it is one of another number of classes, and otherwise the network's.
fn take_head(
    dict: &mut StateDict,
    expected: &BTreeMap<String, Vec<usize>>,
    head: &str,
) -> Option<HeadReplaced> {
    let (weight, bias) = (format!("{head}.weight"), format!("{head}.bias"));
    let file: &[usize] = dict.0.get(&weight)?.shape();
    let file_bias: &[usize] = dict.0.get(&bias)?.shape();
    let ours = expected.get(&weight)?;
    let fits = file.len() == 2 && file[1] == ours[1] && file_bias == [file[0]];
    if !fits || file[0] == ours[0] {
        return None;
    }
    let replaced = HeadReplaced { layer: head.to_owned(), file_classes: file[0], classes: ours[0] };
    dict.0.remove(&weight);
    dict.0.remove(&bias);
    Some(replaced)
}

struct ShapeVisitor {
    path: Vec<String>,
    name: fn(&str) -> String,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for ShapeVisitor {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.shapes.insert((self.name)(&self.path.join(".")), param.val().dims().to_vec());
    }
}

struct LoadMapper {
    path: Vec<String>,
    name: fn(&str) -> String,
    dict: StateDict,
}

impl ModuleMapper for LoadMapper {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.dict.0.remove(&(self.name)(&self.path.join("."))) else { return param };
        let tensor = Tensor::from_data(data, &param.val().device());
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
