import { LabIcon } from '@jupyterlab/ui-components';

/** Four beds of a garden. */
export const allotmentIcon = new LabIcon({
  name: 'jupyterlab-allotment:allotment',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16">' +
    '<g class="jp-icon3 jp-icon-selectable" fill="#616161">' +
    '<rect x="1.5" y="1.5" width="5.5" height="5.5" rx="1"/><rect x="9" y="1.5" width="5.5" height="5.5" rx="1"/>' +
    '<rect x="1.5" y="9" width="5.5" height="5.5" rx="1"/>' +
    '<path d="M11 14.5v-3c-1.4 0-2-.9-2-2.4 1.5 0 2.4.5 2.7 1.5.3-1 1.3-1.5 2.8-1.5 0 1.5-.8 2.4-2.3 2.4v3z"/>' +
    '</g></svg>'
});
