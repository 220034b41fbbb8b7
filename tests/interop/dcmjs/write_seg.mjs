// Writes one segment as DICOM SEG with dcmjs, from a labelmap of bytes (0 or 1), slice by slice.
//
// node write_seg.mjs OUT.dcm LABELMAP.raw CT_1.dcm CT_2.dcm ...
import { readFileSync, writeFileSync } from 'node:fs';

import dcmjs from 'dcmjs';

const [outPath, labelmapPath, ...ctPaths] = process.argv.slice(2);
const { DicomMessage, DicomMetaDictionary, datasetToBuffer } = dcmjs.data;

const images = ctPaths.map((path) => {
  const bytes = readFileSync(path);
  const file = DicomMessage.readFile(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  );
  const image = DicomMetaDictionary.naturalizeDataset(file.dict);
  image._meta = DicomMetaDictionary.namifyDataset(file.meta);
  return image;
});
const multiframe = dcmjs.normalizers.Normalizer.normalizeToDataset(images);
const segmentation = new dcmjs.derivations.Segmentation([multiframe]);

// The normalizer sorts the slices by position: the labelmap has to follow.
const size = multiframe.Rows * multiframe.Columns;
const labels = new Uint8Array(readFileSync(labelmapPath));
const uids = images.map((image) => image.SOPInstanceUID);
const series = [].concat(multiframe.ReferencedSeriesSequence)[0];
const frames = [];
const labelmaps = [];
series.ReferencedInstanceSequence.forEach((instance, frame) => {
  const index = uids.indexOf(instance.ReferencedSOPInstanceUID);
  const labelmap = labels.slice(index * size, (index + 1) * size);
  if (labelmap.some((label) => label)) {
    frames.push(frame + 1);
    labelmaps.push(labelmap);
  }
});
segmentation.setNumberOfFrames(frames.length);
const code = (value, meaning) => ({
  CodeValue: value,
  CodingSchemeDesignator: 'SCT',
  CodeMeaning: meaning,
});
const segment = {
  SegmentedPropertyCategoryCodeSequence: [code('49755003', 'Morphologically Altered Structure')],
  SegmentedPropertyTypeCodeSequence: [code('27925004', 'Nodule')],
  SegmentLabel: 'lesion',
  SegmentNumber: 1,
  SegmentAlgorithmType: 'MANUAL',
};
segmentation.addSegmentFromLabelmap(segment, labelmaps, 1, frames);
segmentation.bitPackPixelData();
writeFileSync(outPath, Buffer.from(datasetToBuffer(segmentation.dataset)));
