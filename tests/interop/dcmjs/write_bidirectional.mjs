// Writes one OHIF "Bidirectional" measurement as DICOM SR, with the libraries that OHIF uses.
//
// node write_bidirectional.mjs CT.dcm OUT.dcm 2d|3d 'JSON of four LPS points: long axis, short axis'
import { readFileSync, writeFileSync } from 'node:fs';

import Bidirectional from '@cornerstonejs/adapters/cornerstone3D/Bidirectional';
import MeasurementReport from '@cornerstonejs/adapters/cornerstone3D/MeasurementReport';
import { cache, metaData } from '@cornerstonejs/core';
import dcmjs from 'dcmjs';

const [ctPath, outPath, form, pointsText] = process.argv.slice(2);
const points = JSON.parse(pointsText);
const { DicomMessage, DicomMetaDictionary } = dcmjs.data;

const bytes = readFileSync(ctPath);
const file = DicomMessage.readFile(
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
);
const ct = DicomMetaDictionary.naturalizeDataset(file.dict);
ct._meta = DicomMetaDictionary.namifyDataset(file.meta);

const imageId = 'ct:1';
const volumeId = 'volume:1';
const [rowSpacing, columnSpacing] = ct.PixelSpacing.map(Number);
const orientation = ct.ImageOrientationPatient.map(Number);
const modules = {
  instance: ct,
  frameNumber: 1,
  sopCommonModule: { sopInstanceUID: ct.SOPInstanceUID, sopClassUID: ct.SOPClassUID },
  imagePlaneModule: {
    rowCosines: orientation.slice(0, 3),
    columnCosines: orientation.slice(3, 6),
    imagePositionPatient: ct.ImagePositionPatient.map(Number),
    rowPixelSpacing: rowSpacing,
    columnPixelSpacing: columnSpacing,
    frameOfReferenceUID: ct.FrameOfReferenceUID,
  },
};
const provider = (type, id) => (id === imageId ? modules[type] : undefined);
metaData.addProvider(provider);

const distance = (a, b) => Math.hypot(...a.map((value, axis) => value - b[axis]));
const inSpace = form === '3d';
const statistics = {
  length: distance(points[0], points[1]),
  width: distance(points[2], points[3]),
  unit: 'mm',
};
const tool = {
  data: {
    handles: { points },
    cachedStats: { [inSpace ? `volumeId:${volumeId}` : `imageId:${imageId}`]: statistics },
  },
  description: 'lesion',
  finding: { CodeValue: '52988006', CodingSchemeDesignator: 'SCT', CodeMeaning: 'Lesion' },
  findingSites: [{ CodeValue: '39607008', CodingSchemeDesignator: 'SCT', CodeMeaning: 'Lung' }],
  metadata: {
    toolName: Bidirectional.toolType,
    FrameOfReferenceUID: ct.FrameOfReferenceUID,
    ...(inSpace ? { volumeId } : { referencedImageId: imageId }),
  },
};
if (inSpace) {
  // The report asks the viewer's cache which series a volume was made of.
  cache.getVolume = (id) => (id === volumeId ? { imageIds: [imageId] } : undefined);
}
const toolState = { [inSpace ? 'none' : imageId]: { [Bidirectional.toolType]: { data: [tool] } } };
const report = MeasurementReport.generateReport(toolState, { get: provider }, {});
writeFileSync(outPath, Buffer.from(dcmjs.data.datasetToBuffer(report.dataset)));
