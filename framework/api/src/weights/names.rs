//! Whose tensors these are. The main function is [`whose`].

use std::collections::BTreeMap;

/// A well-known network with tensors of these names, in words; `None` where nobody knows. Shapes tell presets apart.
pub(super) fn whose(shapes: &BTreeMap<String, Vec<usize>>) -> Option<String> {
    let has = |name: &str| shapes.contains_key(name);
    let starts = |prefix: &str| shapes.keys().any(|name| name.starts_with(prefix));
    let blocks = |prefix: &dyn Fn(usize) -> String| (0..64).take_while(|i| starts(&prefix(*i))).count();
    if has("layer1.0.conv1.weight") && has("conv1.weight") {
        let stages = [1, 2, 3, 4].map(|s| blocks(&|i| format!("layer{s}.{i}.")));
        let narrow = shapes.get("conv1.weight").is_some_and(|shape| shape.first() != Some(&64));
        let name = match (stages, has("layer1.0.conv3.weight")) {
            _ if narrow => "a ResNet of other widths".to_owned(),
            ([2, 2, 2, 2], false) => "torchvision's resnet18".to_owned(),
            ([3, 4, 6, 3], false) => "torchvision's resnet34".to_owned(),
            ([3, 4, 6, 3], true) => "torchvision's resnet50".to_owned(),
            ([3, 4, 23, 3], true) => "torchvision's resnet101".to_owned(),
            ([3, 8, 36, 3], true) => "torchvision's resnet152".to_owned(),
            (stages, _) => format!("a ResNet with {stages:?} blocks"),
        };
        return Some(name);
    }
    if starts("features.denseblock1.") {
        return Some("a DenseNet".to_owned());
    }
    if has("features.0.weight") && has("classifier.0.weight") {
        let normed = has("features.1.running_mean");
        let convolutions = (0..64)
            .filter(|i| shapes.get(&format!("features.{i}.weight")).is_some_and(|shape| shape.len() == 4));
        return Some(format!(
            "a VGG with {} convolutions{}",
            convolutions.count(),
            if normed { " and batch norm" } else { "" }
        ));
    }
    if starts("blocks.0.attn.") || starts("blocks.0.norm1.") {
        let depth = blocks(&|i| format!("blocks.{i}."));
        let kind = if has("register_tokens") || has("reg_token") {
            " with registers"
        } else if starts("blocks.0.ls1") {
            " of DINOv2's kind"
        } else {
            ""
        };
        return Some(format!("a vision transformer{kind} with {depth} blocks"));
    }
    let known = [
        ("embeddings.patch_embeddings.", "a vision transformer of Hugging Face"),
        ("embeddings.cls_token", "a vision transformer of Hugging Face"),
        ("resnet.embedder.", "a ResNet of Hugging Face"),
        ("stages.0.blocks.", "a ConvNeXt of timm"),
        ("_blocks.0.", "an EfficientNet"),
        ("features.1.0.block.", "an EfficientNet or MobileNetV3 of torchvision"),
        ("features.1.conv.", "a MobileNetV2"),
    ];
    known.iter().find(|(prefix, _)| starts(prefix)).map(|(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Option<String> {
        whose(&names.iter().map(|name| ((*name).to_owned(), vec![64, 3, 7, 7])).collect())
    }

    #[test]
    fn presets_are_told_apart() {
        let resnet = |blocks: [usize; 4], bottleneck: bool| {
            let mut names = vec!["conv1.weight".to_owned()];
            for (stage, blocks) in blocks.into_iter().enumerate() {
                for block in 0..blocks {
                    let convolutions = 1..=if bottleneck { 3 } else { 2 };
                    names.extend(convolutions.map(|c| format!("layer{}.{block}.conv{c}.weight", stage + 1)));
                }
            }
            named(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(resnet([2, 2, 2, 2], false), "torchvision's resnet18");
        assert_eq!(resnet([3, 4, 6, 3], true), "torchvision's resnet50");
        assert_eq!(resnet([1, 1, 1, 1], false), "a ResNet with [1, 1, 1, 1] blocks");
        assert_eq!(
            named(&["features.0.weight", "classifier.0.weight"]).unwrap(),
            "a VGG with 1 convolutions"
        );
        assert_eq!(named(&["blocks.0.attn.qkv.weight"]).unwrap(), "a vision transformer with 1 blocks");
        assert_eq!(named(&["a", "b"]), None);
    }
}
