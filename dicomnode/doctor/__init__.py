"""What `dicomnode doctor` looks at: each finding passes, warns or fails, with the mend."""
