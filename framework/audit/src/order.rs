//! Names of tensors in the order in which a network computes. The main function is [`place`].
//!
//! Files of weights are sorted by name (`bn1`, `conv1`, `fc`, `layer1`), and the first tensor that differs is to be the
//! first that is computed. What a name says is enough for torchvision's networks, and a guess for others.

/// The place of a tensor: names sort as the network computes by it.
pub(crate) fn place(name: &str) -> Vec<(u8, u64, u8, String)> {
    let mut parts = name.split('.').enumerate();
    let mut places = Vec::new();
    for (depth, part) in parts.by_ref() {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = part[word.len()..].parse().unwrap_or(0);
        let side = u64::from(word == "downsample") * u64::MAX;
        let area = if depth == 0 { area(word, part) } else { 0 };
        places.push((area, number.max(side), kind(word), word.to_owned()));
    }
    places
}

/// Stem, body, head.
fn area(word: &str, part: &str) -> u8 {
    match word {
        "fc" | "head" | "classifier" | "linear" | "output" | "logits" => 2,
        "layer" | "features" | "block" | "blocks" | "stage" | "stages" | "layers" => 1,
        // A network that is a list of layers: `0`, `1`, `2`.
        "" if !part.is_empty() => 1,
        _ => 0,
    }
}

/// A convolution comes before its norm, a weight before its bias, parameters before buffers.
fn kind(word: &str) -> u8 {
    match word {
        "bn" | "norm" | "bias" => 1,
        "running_mean" => 2,
        "running_var" => 3,
        "num_batches_tracked" => 4,
        "downsample" => 5,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_as_the_network_computes() {
        let network = [
            "conv1.weight",
            "bn1.weight",
            "bn1.bias",
            "bn1.running_mean",
            "layer1.0.conv1.weight",
            "layer1.0.bn1.weight",
            "layer1.0.conv2.weight",
            "layer1.0.downsample.0.weight",
            "layer1.2.conv1.weight",
            "layer1.10.conv1.weight",
            "layer2.0.conv1.weight",
            "fc.weight",
            "fc.bias",
        ];
        let mut sorted = network;
        sorted.sort_unstable();
        assert_ne!(sorted, network);
        sorted.sort_by_key(|name| place(name));
        assert_eq!(sorted, network);
        let mut vgg = ["classifier.0.weight", "features.10.bias", "features.10.weight", "features.3.weight"];
        vgg.sort_by_key(|name| place(name));
        assert_eq!(
            vgg,
            ["features.3.weight", "features.10.weight", "features.10.bias", "classifier.0.weight"]
        );
    }
}
