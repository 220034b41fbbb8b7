// Reads a report as OHIF does and prints its bidirectional measurements as JSON.
//
// node read_bidirectional.mjs SR.dcm CT_1.dcm CT_2.dcm ...
import { readFileSync } from 'node:fs';

import MeasurementReport from '@cornerstonejs/adapters/cornerstone3D/MeasurementReport';
import '@cornerstonejs/adapters/cornerstone3D/Bidirectional';
import { metaData } from '@cornerstonejs/core';
import dcmjs from 'dcmjs';

const [reportPath, ...ctPaths] = process.argv.slice(2);
const { DicomMessage, DicomMetaDictionary } = dcmjs.data;

const read = (path) => {
  const bytes = readFileSync(path);
  const file = DicomMessage.readFile(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  );
  return DicomMetaDictionary.naturalizeDataset(file.dict);
};

const modules = {};
const imageIds = {};
for (const path of ctPaths) {
  const ct = read(path);
  const imageId = `ct:${ct.SOPInstanceUID}`;
  const [rowPixelSpacing, columnPixelSpacing] = ct.PixelSpacing.map(Number);
  const orientation = ct.ImageOrientationPatient.map(Number);
  modules[imageId] = {
    imagePlaneModule: {
      rowCosines: orientation.slice(0, 3),
      columnCosines: orientation.slice(3, 6),
      imagePositionPatient: ct.ImagePositionPatient.map(Number),
      rowPixelSpacing,
      columnPixelSpacing,
      frameOfReferenceUID: ct.FrameOfReferenceUID,
    },
  };
  imageIds[`${ct.SOPInstanceUID}:1`] = imageId;
}
metaData.addProvider((type, id) => modules[id]?.[type]);

const state = MeasurementReport.generateToolState(read(reportPath), imageIds, metaData);
const found = (state.Bidirectional ?? []).map((measurement) => ({
  image: measurement.sopInstanceUid,
  points: measurement.annotation.data.handles.points.map((point) => Array.from(point)),
  label: measurement.annotation.data.label,
  trackingUid: measurement.TrackingUniqueIdentifier,
  statistics: Object.values(measurement.annotation.data.cachedStats)[0],
}));
process.stdout.write(JSON.stringify({ tools: Object.keys(state), found }));
