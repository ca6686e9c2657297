"""The plugin's side towards napari: the only package that may know Qt and napari."""
